"""Files of a model directory, and random weights that come into being when they are first asked for."""

import json
import math
import struct

import torch

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def write_safetensors(path, tensors):
    header, offset = {}, 0
    names = {dtype: name for name, dtype in DTYPES.items()}
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        dtype = names[tensor.dtype]
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            bits = torch.int32 if tensor.element_size() == 4 else torch.int16
            file.write(tensor.contiguous().view(-1).view(bits).numpy().tobytes())


def write_weights(folder, tensors, shards=1, name="model"):
    if shards == 1:
        write_safetensors(folder / f"{name}.safetensors", tensors)
        return
    names = list(tensors)
    weight_map = {}
    for shard in range(shards):
        part = names[shard::shards]
        file = f"{name}-{shard + 1:05d}-of-{shards:05d}.safetensors"
        write_safetensors(folder / file, {name: tensors[name] for name in part})
        weight_map.update({name: file for name in part})
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / f"{name}.safetensors.index.json").write_text(json.dumps(index))


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1))


class Weights:
    """Random tensors, made when first asked for, and so named and shaped by the forward pass itself."""

    def __init__(self, dtype, seed):
        self.dtype = DTYPES[dtype]
        self.generator = torch.Generator().manual_seed(seed)
        self.tensors = {}

    def get(self, name, shape, kind="matrix", fan_in=None):
        """Tensor `name` in float64. kind: matrix, norm, bias or table."""
        if name not in self.tensors:
            values = torch.randn(shape, generator=self.generator)
            if kind == "norm":
                values = 1 + 0.2 * values
            elif kind == "bias":
                values = 0.1 * values
            elif kind == "table":
                values = 0.5 * values
            else:
                values = values / math.sqrt(fan_in or math.prod(shape[1:]))
            self.tensors[name] = values.to(self.dtype)
        assert list(self.tensors[name].shape) == list(shape), name
        return self.tensors[name]

    def rows(self, name, shape, ids):
        return self.get(name, shape, "table")[ids].double()

    def linear(self, x, name, out, bias=True):
        y = x @ self.get(name + ".weight", [out, x.shape[-1]]).double().T
        return y + self.get(name + ".bias", [out], "bias").double() if bias else y

    def norm(self, x, name, epsilon):
        size = x.shape[-1]
        mean = x.mean(-1, keepdim=True)
        variance = ((x - mean) ** 2).mean(-1, keepdim=True)
        x = (x - mean) / torch.sqrt(variance + epsilon)
        return x * self.get(name + ".weight", [size], "norm").double() + self.get(name + ".bias", [size], "bias").double()
