#!/usr/bin/python3
"""Writes state_dict.bin and legacy.bin beside this file, as torch.save does; needs python3-torch.

pytorch_file_test.cc says what is in them.
"""

import collections
import pathlib

import torch

HERE = pathlib.Path(__file__).parent


def main():
    module = torch.nn.Linear(3, 2)
    with torch.no_grad():
        module.weight.copy_(torch.arange(6.0).reshape(2, 3))
        module.bias.copy_(torch.tensor([0.5, -0.5]))
    # With the attribute _metadata, as save_pretrained writes it.
    tensors = module.state_dict()
    base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    tensors["base"] = base
    tensors["transposed"] = base.t()
    tensors["part"] = base[1:, 2]
    tensors["parameter"] = torch.nn.Parameter(torch.tensor([7.0]))
    tensors["scalar"] = torch.tensor(4.25)
    tensors["empty"] = torch.zeros(0, 5)
    tensors["half"] = torch.tensor([1.0, -2.0], dtype=torch.float16)
    tensors["brain"] = torch.tensor([1.0, -2.0], dtype=torch.bfloat16)
    tensors["double"] = torch.tensor([0.25, 1e3], dtype=torch.float64)
    tensors["positions"] = torch.arange(4).reshape(1, 4)
    tensors["bytes"] = torch.tensor([0, 255], dtype=torch.uint8)
    tensors["flags"] = torch.tensor([True, False])
    tensors["inner"] = collections.OrderedDict(a=torch.tensor([9.0]))
    tensors["epoch"] = 3
    torch.save(tensors, HERE / "state_dict.bin")
    torch.save({"a": torch.tensor([1.0])}, HERE / "legacy.bin", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
