#!/usr/bin/env python3
"""What bench-encoder is compared with: PyTorch with transformers, and ONNX Runtime in float32 and in its own int8.

  encoder_peers.py make DIR            writes CLIP ViT-B/32 with random weights, and its towers as ONNX
  encoder_peers.py serve DIR THREADS   answers lines on standard input

A line "CONTENDER KIND COUNT" (contenders: torch, onnx, onnx-int8; kinds: image, text, short) is answered with the
seconds that one batch took to encode, nothing but the towers. A line "versions" is answered with the versions. Short
texts have the lengths of SHORT_LENGTHS, repeated, and are padded to the longest of the batch, as these peers need it.

Needs torch, transformers, onnx, onnxscript and onnxruntime: docs/performance.md has the command.
"""

import pathlib
import sys
import time

import numpy
import torch
from transformers import CLIPConfig, CLIPModel

CONTEXT = 77
# bench-encoder has the same.
SHORT_LENGTHS = (12, 7, 21, 9, 14, 10, 8, 17)
END = 49407


def make_ids(kind, count):
    lengths = [CONTEXT if kind == "text" else SHORT_LENGTHS[i % len(SHORT_LENGTHS)] for i in range(count)]
    ids = torch.full((count, max(lengths)), END, dtype=torch.int64)
    for i, length in enumerate(lengths):
        ids[i, 0] = END - 1
        for j in range(1, length - 1):
            ids[i, j] = 1000 + (i * 77 + j) * 7919 % 40000
    return ids


class ImageTower(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixels):
        return self.model.visual_projection(self.model.vision_model(pixel_values=pixels).pooler_output)


class TextTower(torch.nn.Module):
    """The causal mask and the pooling are written out, since the exporter knows the ones of transformers by no shape."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids):
        text = self.model.text_model
        length = ids.shape[1]
        rows = text.embeddings.token_embedding(ids) + text.embeddings.position_embedding.weight[:length]
        mask = torch.full((length, length), -1e30).triu(1)
        for layer in text.encoder.layers:
            normed = layer.layer_norm1(rows)
            attention = layer.self_attn
            by_head = lambda x: x.unflatten(2, (attention.num_heads, attention.head_dim)).transpose(1, 2)
            queries, keys, values = (
                by_head(product(normed)) for product in (attention.q_proj, attention.k_proj, attention.v_proj)
            )
            scores = queries @ keys.transpose(2, 3) * attention.head_dim**-0.5 + mask
            rows = rows + attention.out_proj((scores.softmax(-1) @ values).transpose(1, 2).flatten(2))
            rows = rows + layer.mlp(layer.layer_norm2(rows))
        pooled = text.final_layer_norm(rows)[torch.arange(ids.shape[0]), ids.argmax(1)]
        return self.model.text_projection(pooled)


def make(folder):
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    torch.manual_seed(1)
    # A checkpoint of today names its end token; 2 is what the first ones say.
    config = CLIPConfig(text_config={"eos_token_id": END, "bos_token_id": END - 1})
    config._attn_implementation = "eager"
    model = CLIPModel(config).eval()
    model.save_pretrained(folder)
    batch = torch.export.Dim("batch", min=1, max=1024)
    length = torch.export.Dim("length", min=2, max=CONTEXT)
    with torch.no_grad():
        for name, tower, example, shapes in (
            ("image", ImageTower(model), torch.rand(2, 3, 224, 224), {"pixels": {0: batch}}),
            ("text", TextTower(model), make_ids("short", 2), {"ids": {0: batch, 1: length}}),
        ):
            path = folder / f"{name}.onnx"
            program = torch.onnx.export(tower, (example,), dynamo=True, dynamic_shapes=shapes, verbose=False)
            program.save(path)
            # The exporter's own notes on shapes contradict what onnxruntime's quantiser infers.
            graph = onnx.load(path)
            del graph.graph.value_info[:]
            onnx.save(graph, path)
            quantize_dynamic(path, folder / f"{name}-int8.onnx", weight_type=QuantType.QInt8, per_channel=True)


class Peers:
    def __init__(self, folder, threads):
        import onnxruntime

        torch.set_num_threads(threads)
        self.model = CLIPModel.from_pretrained(folder).eval()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Threads that wait for work must not take it from the next contender.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0" if threads == 1 else "1")
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.sessions = {
            (contender, tower): onnxruntime.InferenceSession(
                str(folder / f"{tower}{suffix}.onnx"), options, providers=["CPUExecutionProvider"]
            )
            for contender, suffix in (("onnx", ""), ("onnx-int8", "-int8"))
            for tower in ("image", "text")
        }
        self.inputs = {}
        # One thread's time is the processor's, so that other work on the machine does not count.
        self.clock = time.process_time if threads == 1 else time.perf_counter

    def seconds(self, contender, kind, count):
        if (kind, count) not in self.inputs:
            self.inputs[kind, count] = (
                torch.rand(count, 3, 224, 224) * 4 - 2 if kind == "image" else make_ids(kind, count)
            )
        values = self.inputs[kind, count]
        tower = "image" if kind == "image" else "text"
        begin = self.clock()
        if contender == "torch":
            with torch.inference_mode():
                if tower == "image":
                    self.model.get_image_features(pixel_values=values)
                else:
                    self.model.get_text_features(input_ids=values)
        else:
            session = self.sessions[contender, tower]
            session.run(None, {session.get_inputs()[0].name: values.numpy()})
        return self.clock() - begin


def serve(folder, threads):
    import onnxruntime
    import transformers

    peers = Peers(folder, threads)
    for line in sys.stdin:
        words = line.split()
        if words == ["versions"]:
            print(
                f"torch {torch.__version__}, transformers {transformers.__version__}, "
                f"onnxruntime {onnxruntime.__version__}, numpy {numpy.__version__}",
                flush=True,
            )
            continue
        contender, kind, count = words
        print(peers.seconds(contender, kind, int(count)), flush=True)


def main():
    command, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    if command == "make":
        make(folder)
    else:
        serve(folder, int(sys.argv[3]))


if __name__ == "__main__":
    main()
