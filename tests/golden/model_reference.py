#!/usr/bin/python3
"""Plain forward passes of every model family, to compare the C++ encoder with.

Makes a model directory as it is published, with random weights (configuration, safetensors), random inputs,
and their embeddings by a forward pass written from the formulas, in float64 and without any of the C++
encoder's shortcuts: texts are padded to the longest of the batch and masked, every layer computes every row,
queries, keys and values are apart.

  model_reference.py DIR FAMILY [--shapes NAME] [--layers N] [--vocabulary N] [--dtype F32|F16|BF16]
                     [--shards N] [--set KEY=VALUE ...] [--seed N] [--next DIR FAMILY ...]

FAMILY is one of those in FAMILIES at the end, with the names of its shapes; all but "small" are those of
published models, of which --layers and --vocabulary take less. --set gives an option of the family
(--set activation=gelu). --next begins another model, which saves starting Python and torch again.

Writes the model into DIR and DIR/reference.json: token ids, pixels (DIR/images.bin, 8-bit RGB, one picture
after the other), embeddings of length 1, and the lengths they had before. A pair is written as DIR/image and DIR/text. Needs python3-torch.
"""

import argparse
import json
import math
import pathlib
import sys

import torch
from model_files import DTYPES, Weights, write_json, write_weights
from model_formulas import (
    SIGLIP_DEVIATION,
    SIGLIP_MEAN,
    activate,
    bert_rows,
    clip_image,
    clip_text,
    distilbert_rows,
    mean_rows,
    open_clip_image,
    open_clip_text,
    siglip_image,
    siglip_text,
)
from model_shapes import (
    BERT_SHAPES,
    CHINESE_SHAPES,
    CLIP_SHAPES,
    METACLIP_SHAPES,
    OPEN_XLM_SHAPES,
    PAIR_SHAPES,
    ROBERTA_SHAPES,
    SIGLIP_SHAPES,
)


def make_texts(generator, context, vocabulary, begin, end):
    """Short, medium and full texts, and two of one length."""
    texts = []
    for length in (2, 5, 12, 12, context):
        length = min(length, context)
        middle = torch.randint(5, vocabulary - 3, (length - 2,), generator=generator).tolist()
        texts.append([begin] + middle + [end])
    return texts


def make_images(generator, size):
    images = torch.randint(0, 256, (3, size, size, 3), generator=generator, dtype=torch.uint8)
    # A smooth picture too: noise alone would make all embeddings alike.
    ramp = torch.arange(size)[:, None, None] * torch.tensor([1, 3, 5])
    images[0] = ((ramp + torch.arange(size)[None, :, None] * 2) % 256).to(torch.uint8)
    images[1] //= 4
    return images


def unit(x):
    return [round(value, 9) for value in (x / x.norm()).tolist()]


def lengths(rows):
    return [float(row.norm()) for row in rows]


def transformers_sizes(c):
    return {
        "hidden_size": c["hidden"],
        "intermediate_size": c["inner"],
        "num_hidden_layers": c["layers"],
        "num_attention_heads": c["heads"],
    }


def clip_configs(c, activation):
    text, image = c["text"], c["image"]
    text_config = transformers_sizes(text) | {"vocab_size": text["vocabulary"], "hidden_act": activation}
    text_config |= {"max_position_embeddings": text["context"]}
    image_config = transformers_sizes(image) | {"image_size": image["size"], "patch_size": image["patch"]}
    return text_config, image_config | {"hidden_act": activation}


class Model:
    """A family's directory in the making: files in `folder`, weights in `w`, embeddings by text and image."""

    def __init__(self, arguments, shapes, options):
        self.folder = arguments.folder
        self.arguments = arguments
        self.shapes = shapes
        self.options = options
        self.w = Weights(arguments.dtype, arguments.seed)
        self.text = self.image = None
        self.overrides = {}

    def option(self, name, otherwise):
        return self.options.get(name, otherwise)

    def finish(self):
        write_weights(self.folder, self.w.tensors, self.arguments.shards)


def clip(model):
    activation = model.option("activation", "quick_gelu")
    c = model.shapes
    text = dict(c["text"], activation=activation, epsilon=1e-5)
    image = dict(c["image"], activation=activation, epsilon=1e-5)
    end = text["vocabulary"] - 1
    text_config, image_config = clip_configs(c, activation)
    text_config["eos_token_id"] = int(model.option("eos", end))
    config = {"model_type": "clip", "projection_dim": c["projection"]}
    write_json(model.folder / "config.json", config | {"text_config": text_config, "vision_config": image_config})
    model.begin, model.end = end - 1, end

    def embed_text(ids):
        # By the largest id where the configuration says 2, else by the end token: here the same.
        pooled = ids.index(max(ids)) if text_config["eos_token_id"] == 2 else ids.index(end)
        return clip_text(model.w, ids, text, c["projection"], pooled)

    model.text = embed_text
    model.image = lambda pixels: clip_image(model.w, pixels, image, c["projection"])


def metaclip(model):
    """Pools at the first end token, whose id is 2 and so smaller than most others."""
    c = model.shapes
    text = dict(c["text"], activation="quick_gelu", epsilon=1e-5)
    image = dict(c["image"], activation="quick_gelu", epsilon=1e-5)
    text_config, image_config = clip_configs(c, "quick_gelu")
    text_config["eos_token_id"] = 2
    config = {"model_type": "metaclip_2", "projection_dim": c["projection"]}
    write_json(model.folder / "config.json", config | {"text_config": text_config, "vision_config": image_config})
    model.begin, model.end = 0, 2
    model.text = lambda ids: clip_text(model.w, ids, text, c["projection"], ids.index(2))
    model.image = lambda pixels: clip_image(model.w, pixels, image, c["projection"])


def sentence_clip(model):
    """sentence-transformers around a CLIP: in 0_CLIPModel, or with --set path= in the root."""
    path = model.option("path", "0_CLIPModel")
    kind = "sentence_transformers.models.CLIPModel"
    model.folder.mkdir(parents=True, exist_ok=True)
    write_json(model.folder / "modules.json", [{"idx": 0, "name": "0", "path": path, "type": kind}])
    model.folder = model.folder / path
    clip(model)


def chinese_clip(model):
    c = model.shapes
    text = dict(c["text"], epsilon=1e-12, first_position=0, types=2, pad=0)
    image = dict(c["image"], activation="quick_gelu", epsilon=1e-5)
    text_config = transformers_sizes(text) | {"vocab_size": text["vocabulary"], "hidden_act": "gelu"}
    text_config |= {"max_position_embeddings": text["positions"], "type_vocab_size": 2}
    _, image_config = clip_configs(c, "quick_gelu")
    config = {"model_type": "chinese_clip", "projection_dim": c["projection"]}
    write_json(model.folder / "config.json", config | {"text_config": text_config, "vision_config": image_config})
    processor = {"image_processor_type": "ChineseCLIPImageProcessor", "crop_size": image["size"]}
    processor["size"] = {"height": image["size"], "width": image["size"]}
    write_json(model.folder / "preprocessor_config.json", processor)
    write_wordpieces(model.folder, text["vocabulary"])
    model.begin, model.end = 2, 3

    def embed_text(ids):
        first = bert_rows(model.w, ids, "text_model.", text)[0]
        return model.w.linear(first, "text_projection", c["projection"], bias=False)

    model.text = embed_text
    model.image = lambda pixels: clip_image(model.w, pixels, image, c["projection"])


def siglip(model):
    c = model.shapes
    pad = int(model.option("pad", 1))
    text = dict(c["text"], activation="gelu_pytorch_tanh", epsilon=1e-6, pad=pad)
    image = dict(c["image"], activation="gelu_pytorch_tanh", epsilon=1e-6)
    text_config, image_config = clip_configs(c, "gelu_pytorch_tanh")
    if pad != 1:
        text_config["pad_token_id"] = pad
    config = {"model_type": "siglip", "text_config": text_config, "vision_config": image_config}
    write_json(model.folder / "config.json", config)
    processor = {"image_processor_type": "SiglipImageProcessor", "image_mean": SIGLIP_MEAN}
    processor["size"] = {"height": image["size"], "width": image["size"]}
    write_json(model.folder / "preprocessor_config.json", processor | {"image_std": SIGLIP_DEVIATION})
    model.begin, model.end = 7, 1
    model.text = lambda ids: siglip_text(model.w, ids, text)
    model.image = lambda pixels: siglip_image(model.w, pixels, image)


def open_clip(model):
    c = model.shapes
    activation = model.option("activation", "gelu")
    prefix = model.option("prefix", "")
    text = dict(c["text"], activation=activation)
    image = dict(c["image"], activation=activation)
    vision_cfg = open_clip_vision(image)
    text_cfg = {"context_length": text["context"], "vocab_size": text["vocabulary"], "width": text["hidden"]}
    text_cfg |= {"heads": text["heads"], "layers": text["layers"]}
    model_cfg = {"embed_dim": c["projection"], "vision_cfg": vision_cfg, "text_cfg": text_cfg}
    if activation == "quick_gelu":
        model_cfg["quick_gelu"] = True
    if prefix:
        model_cfg["custom_text"] = True
    write_json(model.folder / "open_clip_config.json", {"model_cfg": model_cfg, "preprocess_cfg": {}})
    model.begin, model.end = text["vocabulary"] - 2, text["vocabulary"] - 1
    model.text = lambda ids: open_clip_text(model.w, ids, text, c["projection"], prefix)
    model.image = lambda pixels: open_clip_image(model.w, pixels, image, c["projection"])
    model.finish = lambda: write_weights(model.folder, model.w.tensors, name="open_clip_model")


def open_clip_vision(image):
    config = {"image_size": image["size"], "layers": image["layers"], "width": image["hidden"]}
    config |= {"head_width": image["hidden"] // image["heads"], "patch_size": image["patch"]}
    # Rounded up in the last digit, as in published files, so that the product is truncated to the size.
    return config | {"mlp_ratio": math.ceil(image["inner"] / image["hidden"] * 1e4) / 1e4}


def open_clip_xlm_roberta(model):
    c = model.shapes
    text = dict(c["text"], epsilon=1e-5, first_position=2, types=1, pad=1)
    image = dict(c["image"], activation="gelu")
    text_cfg = {"hf_model_name": "xlm-roberta-base", "hf_tokenizer_name": "xlm-roberta-base", "proj": "mlp"}
    text_cfg["pooler_type"] = "mean_pooler"
    model_cfg = {"embed_dim": c["projection"], "vision_cfg": open_clip_vision(image), "text_cfg": text_cfg}
    write_json(model.folder / "open_clip_config.json", {"model_cfg": model_cfg, "preprocess_cfg": {}})
    # The name stands for the sizes; the test says which ones are smaller here.
    model.overrides = {"layers": text["layers"], "vocabulary": text["vocabulary"]}
    model.begin, model.end = 0, 2

    def embed_text(ids):
        rows = bert_rows(model.w, ids, "text.transformer.", text)
        x = mean_rows(rows, len(ids))
        middle = (text["hidden"] + c["projection"]) // 2
        x = activate(model.w.linear(x, "text.proj.0", middle, bias=False), "gelu")
        return model.w.linear(x, "text.proj.2", c["projection"], bias=False)

    model.text = embed_text
    model.image = lambda pixels: open_clip_image(model.w, pixels, image, c["projection"])
    model.finish = lambda: write_weights(model.folder, model.w.tensors, name="open_clip_model")


def write_wordpieces(folder, count):
    """A WordPiece vocabulary whose words are their own ids: w5, w6, ..."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"w{i}" for i in range(5, count)]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "do_lower_case": True})


def sentence_modules(folder, pooling, dense=None):
    """modules.json and the folders that it names; dense is a pair of sizes."""
    kinds = ["Transformer", "Pooling"] + (["Dense"] if dense else []) + ["Normalize"]
    paths = [""] + [f"{i}_{kind}" for i, kind in enumerate(kinds) if i > 0]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(zip(paths, kinds))
    ]
    write_json(folder / "modules.json", modules)
    modes = {"pooling_mode_cls_token": pooling == "cls", "pooling_mode_mean_tokens": pooling == "mean"}
    write_json(folder / "1_Pooling/config.json", modes | {"pooling_mode_max_tokens": False})
    if dense:
        config = {"in_features": dense[0], "out_features": dense[1], "bias": False}
        activation = "torch.nn.modules.linear.Identity"
        write_json(folder / "2_Dense/config.json", config | {"activation_function": activation})


def sentence_bert(model):
    """A text model of BERT's family: --set type=bert|roberta, pooling=mean|cls, prefix=bert."""
    c = model.shapes["text"]
    kind = model.option("type", "bert")
    pooling = model.option("pooling", "mean")
    roberta = kind != "bert"
    text = dict(c, epsilon=1e-5 if roberta else 1e-12, first_position=2 if roberta else 0)
    text |= dict(types=1 if roberta else 2, pad=1 if roberta else 0)
    config = transformers_sizes(c) | {"model_type": kind, "vocab_size": c["vocabulary"], "hidden_act": "gelu"}
    config |= {"max_position_embeddings": c["positions"], "type_vocab_size": text["types"]}
    write_json(model.folder / "config.json", config | {"layer_norm_eps": text["epsilon"]})
    sentence_modules(model.folder, pooling)
    write_json(model.folder / "sentence_bert_config.json", {"max_seq_length": c["context"]})
    if not roberta:
        write_wordpieces(model.folder, c["vocabulary"])
    model.begin, model.end = 2, 3

    def embed_text(ids):
        rows = bert_rows(model.w, ids, model.option("prefix", ""), text)
        return rows[0] if pooling == "cls" else mean_rows(rows, len(ids))

    model.text = embed_text


def pair(model):
    """clip-ViT-B-32 and a multilingual DistilBERT that was taught its space."""
    root, c = model.folder, model.shapes
    model.folder = root / "image"
    text_sizes = dict(c["text"], context=77)
    model.shapes = dict(c, text=text_sizes)
    sentence_clip(model)
    text = dict(c["text"], pad=0)
    folder = root / "text"
    config = {"model_type": "distilbert", "dim": text["hidden"], "hidden_dim": text["inner"]}
    config |= {"n_layers": text["layers"], "n_heads": text["heads"], "vocab_size": text["vocabulary"]}
    config |= {"max_position_embeddings": text["positions"], "activation": "gelu"}
    write_json(folder / "config.json", config)
    sentence_modules(folder, "mean", (text["hidden"], c["projection"]))
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": text["context"]})
    write_wordpieces(folder, text["vocabulary"])
    tower_weights = Weights(model.arguments.dtype, model.arguments.seed + 1)
    dense_weights = Weights(model.arguments.dtype, model.arguments.seed + 2)
    model.shapes = c
    model.begin, model.end = 2, 3

    def embed_text(ids):
        pooled = mean_rows(distilbert_rows(tower_weights, ids, text), len(ids))
        return dense_weights.linear(pooled, "linear", c["projection"], bias=False)

    def finish():
        write_weights(model.folder, model.w.tensors, model.arguments.shards)
        write_weights(folder, tower_weights.tensors)
        write_weights(folder / "2_Dense", dense_weights.tensors)

    model.text = embed_text
    model.finish = finish


FAMILIES = {
    "chinese-clip": (chinese_clip, CHINESE_SHAPES),
    "clip": (clip, CLIP_SHAPES),
    "metaclip-2": (metaclip, METACLIP_SHAPES),
    "openclip": (open_clip, CLIP_SHAPES),
    "openclip-xlm-roberta": (open_clip_xlm_roberta, OPEN_XLM_SHAPES),
    "pair": (pair, PAIR_SHAPES),
    "sentence-bert": (sentence_bert, BERT_SHAPES),
    "sentence-clip": (sentence_clip, CLIP_SHAPES),
    "sentence-roberta": (sentence_bert, ROBERTA_SHAPES),
    "siglip": (siglip, SIGLIP_SHAPES),
}


def apply_layers(shapes, layers):
    for part in ("text", "image"):
        if layers and part in shapes:
            shapes[part]["layers"] = min(layers, shapes[part]["layers"])


def make_model(words):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("family", choices=list(FAMILIES))
    parser.add_argument("--shapes", default="small", help="small, or a published model's by the family's list")
    parser.add_argument("--layers", type=int, help="at most so many layers per tower")
    parser.add_argument("--vocabulary", type=int, help="at most so many tokens")
    parser.add_argument("--dtype", choices=list(DTYPES), default="F32")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="options")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(words)
    make, all_shapes = FAMILIES[arguments.family]
    shapes = json.loads(json.dumps(all_shapes[arguments.shapes]))
    apply_layers(shapes, arguments.layers)
    if arguments.vocabulary:
        shapes["text"]["vocabulary"] = min(arguments.vocabulary, shapes["text"]["vocabulary"])
    model = Model(arguments, shapes, dict(option.split("=", 1) for option in arguments.options))
    model.folder.mkdir(parents=True, exist_ok=True)
    make(model)

    generator = torch.Generator().manual_seed(arguments.seed + 100)
    text = shapes["text"]
    texts = make_texts(generator, text["context"], text["vocabulary"], model.begin, model.end)
    if arguments.family in ("clip", "metaclip-2", "openclip", "sentence-clip"):
        # Goes on behind its end token, which must not matter.
        texts.append(texts[1] + texts[2][1:])
    with torch.no_grad():
        rows = [model.text(ids) for ids in texts]
        result = {"texts": texts, "text_embeds": [unit(row) for row in rows], "text_lengths": lengths(rows)}
        result["overrides"] = model.overrides
        if model.image:
            images = make_images(generator, shapes["image"]["size"])
            (arguments.folder / "images.bin").write_bytes(images.numpy().tobytes())
            result["image_size"] = shapes["image"]["size"]
            rows = [model.image(pixels) for pixels in images]
            result["image_embeds"] = [unit(row) for row in rows]
            result["image_lengths"] = lengths(rows)
    model.finish()
    (arguments.folder / "reference.json").write_text(json.dumps(result))


def main():
    words = []
    for word in [*sys.argv[1:], "--next"]:
        if word == "--next":
            make_model(words)
            words = []
        else:
            words.append(word)


if __name__ == "__main__":
    main()
