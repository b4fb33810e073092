#!/usr/bin/python3
"""A plain CLIP forward pass, to compare the C++ encoder with.

Makes a model directory with random weights (config.json, safetensors), random
inputs, and their embeddings by a forward pass written from the formulas, in
float64 and without any of the C++ encoder's shortcuts: texts are padded to the
context, every layer computes every row, queries, keys and values are apart.

  clip_reference.py DIR --shapes demo|base32 [--dtype F32|F16|BF16] [--shards N]
                        [--activation quick_gelu|gelu|gelu_pytorch_tanh]
                        [--eos ID] [--seed N]

Writes DIR/config.json, DIR/model*.safetensors and DIR/reference.json: token ids,
pixels (DIR/images.bin, 8-bit RGB, one picture after the other) and embeddings of
length 1. Needs python3-torch.
"""

import argparse
import json
import math
import pathlib
import struct

import torch

SHAPES = {
    # The demo model's.
    "demo": {
        "projection_dim": 256,
        "text_config": {
            "vocab_size": 826,
            "hidden_size": 128,
            "intermediate_size": 512,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 32,
            "eos_token_id": 825,
        },
        "vision_config": {
            "hidden_size": 128,
            "intermediate_size": 512,
            "num_hidden_layers": 5,
            "num_attention_heads": 4,
            "image_size": 48,
            "patch_size": 8,
        },
    },
    # ViT-B/32, all by default except the id of the end token.
    "base32": {"text_config": {"eos_token_id": 49407}, "vision_config": {}},
}

TEXT_DEFAULTS = {
    "vocab_size": 49408,
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "max_position_embeddings": 77,
}
VISION_DEFAULTS = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 224,
    "patch_size": 32,
}
MEAN = [0.48145466, 0.4578275, 0.40821073]
DEVIATION = [0.26862954, 0.26130258, 0.27577711]


def tensor_shapes(text, vision, projection_dim):
    """Name and shape of every tensor of a CLIPModel."""
    shapes = {"logit_scale": []}

    def layers(prefix, config):
        hidden, inner = config["hidden_size"], config["intermediate_size"]
        for i in range(config["num_hidden_layers"]):
            layer = f"{prefix}.encoder.layers.{i}."
            for part in "qkv":
                shapes[f"{layer}self_attn.{part}_proj.weight"] = [hidden, hidden]
                shapes[f"{layer}self_attn.{part}_proj.bias"] = [hidden]
            shapes[layer + "self_attn.out_proj.weight"] = [hidden, hidden]
            shapes[layer + "self_attn.out_proj.bias"] = [hidden]
            shapes[layer + "mlp.fc1.weight"] = [inner, hidden]
            shapes[layer + "mlp.fc1.bias"] = [inner]
            shapes[layer + "mlp.fc2.weight"] = [hidden, inner]
            shapes[layer + "mlp.fc2.bias"] = [hidden]
            norm(layer + "layer_norm1", hidden)
            norm(layer + "layer_norm2", hidden)

    def norm(name, hidden):
        shapes[name + ".weight"] = [hidden]
        shapes[name + ".bias"] = [hidden]

    hidden = text["hidden_size"]
    shapes["text_model.embeddings.token_embedding.weight"] = [text["vocab_size"], hidden]
    shapes["text_model.embeddings.position_embedding.weight"] = [text["max_position_embeddings"], hidden]
    layers("text_model", text)
    norm("text_model.final_layer_norm", hidden)
    shapes["text_projection.weight"] = [projection_dim, hidden]

    hidden, patch = vision["hidden_size"], vision["patch_size"]
    positions = (vision["image_size"] // patch) ** 2 + 1
    shapes["vision_model.embeddings.class_embedding"] = [hidden]
    shapes["vision_model.embeddings.patch_embedding.weight"] = [hidden, 3, patch, patch]
    shapes["vision_model.embeddings.position_embedding.weight"] = [positions, hidden]
    norm("vision_model.pre_layrnorm", hidden)
    layers("vision_model", vision)
    norm("vision_model.post_layernorm", hidden)
    shapes["visual_projection.weight"] = [projection_dim, hidden]
    return shapes


def random_tensor(name, shape, generator):
    values = torch.randn(shape, generator=generator)
    if "norm" in name and name.endswith("weight"):
        return 1 + 0.2 * values
    if name.endswith("bias"):
        return 0.1 * values
    if "embedding" in name and "patch" not in name:
        return 0.5 * values
    return values / math.sqrt(math.prod(shape[1:]) or 1)


DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def write_safetensors(path, tensors, dtype):
    header, offset = {}, 0
    for name, tensor in tensors.items():
        size = tensor.numel() * (4 if dtype == "F32" else 2)
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            bits = torch.int32 if dtype == "F32" else torch.int16
            file.write(tensor.contiguous().view(-1).view(bits).numpy().tobytes())


def write_weights(folder, tensors, dtype, shards):
    if shards == 1:
        write_safetensors(folder / "model.safetensors", tensors, dtype)
        return
    names = list(tensors)
    weight_map = {}
    for shard in range(shards):
        part = names[shard::shards]
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        write_safetensors(folder / file, {name: tensors[name] for name in part}, dtype)
        weight_map.update({name: file for name in part})
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


class Reference:
    """CLIPModel by the formulas, in float64."""

    def __init__(self, tensors, activation):
        self.tensors = tensors
        self.activation = activation

    def get(self, name):
        return self.tensors[name].double()

    def norm(self, x, name):
        mean = x.mean(-1, keepdim=True)
        variance = ((x - mean) ** 2).mean(-1, keepdim=True)
        return (x - mean) / torch.sqrt(variance + 1e-5) * self.get(name + ".weight") + self.get(name + ".bias")

    def linear(self, x, name):
        return x @ self.get(name + ".weight").T + self.get(name + ".bias")

    def act(self, x):
        if self.activation == "quick_gelu":
            return x * torch.sigmoid(1.702 * x)
        if self.activation == "gelu":
            return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))

    def attention(self, x, prefix, heads, mask):
        length, hidden = x.shape
        size = hidden // heads
        q, k, v = (self.linear(x, f"{prefix}.{part}_proj").view(length, heads, size).transpose(0, 1) for part in "qkv")
        scores = q @ k.transpose(1, 2) / math.sqrt(size)
        if mask is not None:
            scores = scores + mask
        mixed = (torch.softmax(scores, -1) @ v).transpose(0, 1).reshape(length, hidden)
        return self.linear(mixed, prefix + ".out_proj")

    def layers(self, x, prefix, config, mask):
        for i in range(config["num_hidden_layers"]):
            layer = f"{prefix}.encoder.layers.{i}"
            normed = self.norm(x, layer + ".layer_norm1")
            x = x + self.attention(normed, layer + ".self_attn", config["num_attention_heads"], mask)
            normed = self.norm(x, layer + ".layer_norm2")
            x = x + self.linear(self.act(self.linear(normed, layer + ".mlp.fc1")), layer + ".mlp.fc2")
        return x

    def text(self, ids, config, eos):
        context = config["max_position_embeddings"]
        padded = torch.tensor(ids + [0] * (context - len(ids)))
        x = self.get("text_model.embeddings.token_embedding.weight")[padded]
        x = x + self.get("text_model.embeddings.position_embedding.weight")
        mask = torch.full((context, context), -math.inf, dtype=torch.float64).triu(1)
        x = self.norm(self.layers(x, "text_model", config, mask), "text_model.final_layer_norm")
        pooled = ids.index(max(ids)) if eos == 2 else ids.index(eos)
        return self.get("text_projection.weight") @ x[pooled]

    def image(self, pixels, config):
        x = pixels.double() / 255
        x = (x - torch.tensor(MEAN).double()) / torch.tensor(DEVIATION).double()
        patch = self.get("vision_model.embeddings.patch_embedding.weight")
        x = torch.nn.functional.conv2d(x.permute(2, 0, 1)[None], patch, stride=config["patch_size"])
        x = x[0].flatten(1).T
        x = torch.cat([self.get("vision_model.embeddings.class_embedding")[None], x])
        x = x + self.get("vision_model.embeddings.position_embedding.weight")
        x = self.layers(self.norm(x, "vision_model.pre_layrnorm"), "vision_model", config, None)
        return self.get("visual_projection.weight") @ self.norm(x[0], "vision_model.post_layernorm")


def unit(x):
    return [round(value, 9) for value in (x / x.norm()).tolist()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--shapes", choices=list(SHAPES), required=True)
    parser.add_argument("--dtype", choices=list(DTYPES), default="F32")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--activation", default="quick_gelu")
    parser.add_argument("--eos", type=int, help="eos_token_id of config.json; 2 means to pool at the largest id")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(arguments.seed)

    config = json.loads(json.dumps(SHAPES[arguments.shapes]))
    config["model_type"] = "clip"
    for tower in ("text_config", "vision_config"):
        config[tower]["hidden_act"] = arguments.activation
    end = config["text_config"]["eos_token_id"]
    if arguments.eos is not None:
        config["text_config"]["eos_token_id"] = arguments.eos
    (arguments.folder / "config.json").write_text(json.dumps(config, indent=1))

    text = {**TEXT_DEFAULTS, **config["text_config"]}
    vision = {**VISION_DEFAULTS, **config["vision_config"]}
    shapes = tensor_shapes(text, vision, config.get("projection_dim", 512))
    tensors = {name: random_tensor(name, shape, generator) for name, shape in shapes.items()}
    tensors = {name: tensor.to(DTYPES[arguments.dtype]) for name, tensor in tensors.items()}
    write_weights(arguments.folder, tensors, arguments.dtype, arguments.shards)

    # Short, medium and full texts, equal lengths, and one that goes on behind its end token.
    texts = []
    for length in (2, 5, 12, 12, text["max_position_embeddings"]):
        middle = torch.randint(3, end - 1, (length - 2,), generator=generator).tolist()
        texts.append([end - 1] + middle + [end])
    texts.append(texts[1] + texts[2][1:])
    size = vision["image_size"]
    images = torch.randint(0, 256, (3, size, size, 3), generator=generator, dtype=torch.uint8)
    # A smooth picture too: noise alone would make all embeddings alike.
    ramp = torch.arange(size)[:, None, None] * torch.tensor([1, 3, 5])
    images[0] = ((ramp + torch.arange(size)[None, :, None] * 2) % 256).to(torch.uint8)
    images[1] //= 4
    (arguments.folder / "images.bin").write_bytes(images.numpy().tobytes())

    reference = Reference(tensors, arguments.activation)
    with torch.no_grad():
        result = {
            "texts": texts,
            "image_size": size,
            "text_embeds": [unit(reference.text(ids, text, text["eos_token_id"])) for ids in texts],
            "image_embeds": [unit(reference.image(pixels, vision)) for pixels in images],
        }
    (arguments.folder / "reference.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
