"""Forward passes of the towers, written from the formulas, in float64 and without any shortcut.

`w` is the Weights of a model, `c` the sizes of a tower. Sources: transformers 4.57, modeling_*.py; open_clip 2.29,
model.py and hf_model.py; sentence-transformers 5.1, Pooling.py.
"""

import math

import torch

CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_DEVIATION = [0.26862954, 0.26130258, 0.27577711]
SIGLIP_MEAN = SIGLIP_DEVIATION = [0.5, 0.5, 0.5]


def activate(x, name):
    if name == "quick_gelu":
        return x * torch.sigmoid(1.702 * x)
    if name == "gelu":
        return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))
    if name == "gelu_pytorch_tanh":
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    if name == "tanh":
        return torch.tanh(x)
    assert name == "identity", name
    return x


def attend(q, k, v, heads, mask):
    """q [asked, hidden], k and v [length, hidden]; mask is added to the scores."""
    size = q.shape[-1] // heads

    def split(x):
        return x.view(len(x), heads, size).transpose(0, 1)

    scores = split(q) @ split(k).transpose(1, 2) / math.sqrt(size)
    if mask is not None:
        scores = scores + mask
    return (torch.softmax(scores, -1) @ split(v)).transpose(0, 1).reshape(q.shape)


def causal_mask(length):
    return torch.full((length, length), -math.inf, dtype=torch.float64).triu(1)


def padding_mask(length, used):
    mask = torch.zeros(length, dtype=torch.float64)
    mask[used:] = -math.inf
    return mask


def separate_qkv(w, x, names):
    return [w.linear(x, name, x.shape[-1]) for name in names]


def joint_qkv(w, x, weight, bias):
    hidden = x.shape[-1]
    matrix = w.get(weight, [3 * hidden, hidden]).double()
    return (x @ matrix.T + w.get(bias, [3 * hidden], "bias").double()).split(hidden, -1)


def clip_layers(w, x, prefix, c, mask):
    """Hugging Face's CLIP and SigLIP: normalised before."""
    for i in range(c["layers"]):
        layer = f"{prefix}.encoder.layers.{i}."
        normed = w.norm(x, layer + "layer_norm1", c["epsilon"])
        q, k, v = separate_qkv(w, normed, [f"{layer}self_attn.{part}_proj" for part in "qkv"])
        x = x + w.linear(attend(q, k, v, c["heads"], mask), layer + "self_attn.out_proj", c["hidden"])
        inner = w.linear(w.norm(x, layer + "layer_norm2", c["epsilon"]), layer + "mlp.fc1", c["inner"])
        x = x + w.linear(activate(inner, c["activation"]), layer + "mlp.fc2", c["hidden"])
    return x


def open_clip_layers(w, x, prefix, c, mask):
    for i in range(c["layers"]):
        layer = f"{prefix}transformer.resblocks.{i}."
        normed = w.norm(x, layer + "ln_1", 1e-5)
        q, k, v = joint_qkv(w, normed, layer + "attn.in_proj_weight", layer + "attn.in_proj_bias")
        x = x + w.linear(attend(q, k, v, c["heads"], mask), layer + "attn.out_proj", c["hidden"])
        inner = w.linear(w.norm(x, layer + "ln_2", 1e-5), layer + "mlp.c_fc", c["inner"])
        x = x + w.linear(activate(inner, c["activation"]), layer + "mlp.c_proj", c["hidden"])
    return x


def bert_layers(w, x, prefix, c, mask):
    """BERT and RoBERTa: normalised behind the sum."""
    for i in range(c["layers"]):
        layer = f"{prefix}encoder.layer.{i}."
        q, k, v = separate_qkv(w, x, [f"{layer}attention.self.{part}" for part in ("query", "key", "value")])
        attended = w.linear(attend(q, k, v, c["heads"], mask), layer + "attention.output.dense", c["hidden"])
        x = w.norm(x + attended, layer + "attention.output.LayerNorm", c["epsilon"])
        inner = activate(w.linear(x, layer + "intermediate.dense", c["inner"]), "gelu")
        x = w.norm(x + w.linear(inner, layer + "output.dense", c["hidden"]), layer + "output.LayerNorm", c["epsilon"])
    return x


def bert_rows(w, ids, prefix, c):
    """The last hidden state of ids, which are padded to c["context"] and masked."""
    padded = torch.tensor(ids + [c["pad"]] * (c["context"] - len(ids)))
    hidden = c["hidden"]
    # RoBERTa counts positions from behind that of the padding; those of padding do not matter under the mask.
    positions = torch.arange(c["context"]) + c["first_position"]
    x = w.rows(f"{prefix}embeddings.word_embeddings.weight", [c["vocabulary"], hidden], padded)
    x = x + w.rows(f"{prefix}embeddings.position_embeddings.weight", [c["positions"], hidden], positions)
    types = torch.zeros(c["context"], dtype=torch.long)
    x = x + w.rows(f"{prefix}embeddings.token_type_embeddings.weight", [c["types"], hidden], types)
    x = w.norm(x, f"{prefix}embeddings.LayerNorm", c["epsilon"])
    return bert_layers(w, x, prefix, c, padding_mask(c["context"], len(ids)))


def distilbert_rows(w, ids, c):
    padded = torch.tensor(ids + [c["pad"]] * (c["context"] - len(ids)))
    hidden = c["hidden"]
    x = w.rows("embeddings.word_embeddings.weight", [c["vocabulary"], hidden], padded)
    x = x + w.rows("embeddings.position_embeddings.weight", [c["positions"], hidden], torch.arange(c["context"]))
    x = w.norm(x, "embeddings.LayerNorm", 1e-12)
    mask = padding_mask(c["context"], len(ids))
    for i in range(c["layers"]):
        layer = f"transformer.layer.{i}."
        q, k, v = separate_qkv(w, x, [f"{layer}attention.{part}_lin" for part in "qkv"])
        attended = w.linear(attend(q, k, v, c["heads"], mask), layer + "attention.out_lin", hidden)
        x = w.norm(x + attended, layer + "sa_layer_norm", 1e-12)
        inner = activate(w.linear(x, layer + "ffn.lin1", c["inner"]), "gelu")
        x = w.norm(x + w.linear(inner, layer + "ffn.lin2", hidden), layer + "output_layer_norm", 1e-12)
    return x


def mean_rows(rows, used):
    mask = torch.zeros(len(rows), 1, dtype=torch.float64)
    mask[:used] = 1
    return (rows * mask).sum(0) / mask.sum()


def patch_rows(w, pixels, mean, deviation, weight, bias, c):
    x = (pixels.double() / 255 - torch.tensor(mean).double()) / torch.tensor(deviation).double()
    patch = c["patch"]
    kernel = w.get(weight, [c["hidden"], 3, patch, patch]).double()
    offset = None if bias is None else w.get(bias, [c["hidden"]], "bias").double()
    x = torch.nn.functional.conv2d(x.permute(2, 0, 1)[None], kernel, offset, stride=patch)
    return x[0].flatten(1).T


def clip_image(w, pixels, c, projection):
    hidden = c["hidden"]
    x = patch_rows(w, pixels, CLIP_MEAN, CLIP_DEVIATION, "vision_model.embeddings.patch_embedding.weight", None, c)
    x = torch.cat([w.get("vision_model.embeddings.class_embedding", [hidden], "table").double()[None], x])
    x = x + w.rows("vision_model.embeddings.position_embedding.weight", [len(x), hidden], torch.arange(len(x)))
    x = clip_layers(w, w.norm(x, "vision_model.pre_layrnorm", c["epsilon"]), "vision_model", c, None)
    x = w.norm(x[0], "vision_model.post_layernorm", c["epsilon"])
    return w.linear(x, "visual_projection", projection, bias=False)


def clip_text(w, ids, c, projection, pooled):
    context, hidden = c["context"], c["hidden"]
    padded = torch.tensor(ids + [0] * (context - len(ids)))
    x = w.rows("text_model.embeddings.token_embedding.weight", [c["vocabulary"], hidden], padded)
    x = x + w.rows("text_model.embeddings.position_embedding.weight", [context, hidden], torch.arange(context))
    x = clip_layers(w, x, "text_model", c, causal_mask(context))
    x = w.norm(x, "text_model.final_layer_norm", c["epsilon"])
    return w.linear(x[pooled], "text_projection", projection, bias=False)


def open_clip_image(w, pixels, c, projection):
    hidden = c["hidden"]
    x = patch_rows(w, pixels, CLIP_MEAN, CLIP_DEVIATION, "visual.conv1.weight", None, c)
    x = torch.cat([w.get("visual.class_embedding", [hidden], "table").double()[None], x])
    x = x + w.rows("visual.positional_embedding", [len(x), hidden], torch.arange(len(x)))
    x = open_clip_layers(w, w.norm(x, "visual.ln_pre", 1e-5), "visual.", c, None)
    return w.norm(x[0], "visual.ln_post", 1e-5) @ w.get("visual.proj", [hidden, projection], fan_in=hidden).double()


def open_clip_text(w, ids, c, projection, prefix):
    context, hidden = c["context"], c["hidden"]
    padded = torch.tensor(ids + [0] * (context - len(ids)))
    x = w.rows(prefix + "token_embedding.weight", [c["vocabulary"], hidden], padded)
    x = x + w.rows(prefix + "positional_embedding", [context, hidden], torch.arange(context))
    x = open_clip_layers(w, x, prefix, c, causal_mask(context))
    x = w.norm(x, prefix + "ln_final", 1e-5)[int(padded.argmax())]
    return x @ w.get(prefix + "text_projection", [hidden, projection], fan_in=hidden).double()


def siglip_image(w, pixels, c):
    hidden = c["hidden"]
    name = "vision_model.embeddings.patch_embedding"
    x = patch_rows(w, pixels, SIGLIP_MEAN, SIGLIP_DEVIATION, name + ".weight", name + ".bias", c)
    x = x + w.rows("vision_model.embeddings.position_embedding.weight", [len(x), hidden], torch.arange(len(x)))
    x = clip_layers(w, x, "vision_model", c, None)
    x = w.norm(x, "vision_model.post_layernorm", c["epsilon"])
    head = "vision_model.head."
    probe = w.get(head + "probe", [1, 1, hidden], "table").double()[0]
    weight, bias = head + "attention.in_proj_weight", head + "attention.in_proj_bias"
    q = joint_qkv(w, probe, weight, bias)[0]
    _, k, v = joint_qkv(w, x, weight, bias)
    x = w.linear(attend(q, k, v, c["heads"], None), head + "attention.out_proj", hidden)
    inner = w.linear(w.norm(x, head + "layernorm", c["epsilon"]), head + "mlp.fc1", c["inner"])
    return (x + w.linear(activate(inner, c["activation"]), head + "mlp.fc2", hidden))[0]


def siglip_text(w, ids, c):
    context, hidden = c["context"], c["hidden"]
    padded = torch.tensor(ids + [c["pad"]] * (context - len(ids)))
    x = w.rows("text_model.embeddings.token_embedding.weight", [c["vocabulary"], hidden], padded)
    x = x + w.rows("text_model.embeddings.position_embedding.weight", [context, hidden], torch.arange(context))
    x = w.norm(clip_layers(w, x, "text_model", c, None), "text_model.final_layer_norm", c["epsilon"])
    return w.linear(x[-1], "text_model.head", c["hidden"])
