"""Reads and writes weights and configuration of the Hugging Face model directory."""

import json
import os
import struct

import numpy as np
import torch

from model import CLIP, IMAGE_MEAN, IMAGE_STD
from render import IMAGE_SIZE

_DTYPES = {'F16': '<f2', 'F32': '<f4'}


def split_in_proj(state):
    """Names and shapes of training -> those of transformers.CLIPModel."""
    result = {}
    for name, value in state.items():
        if 'in_proj' in name:
            for letter, part in zip('qkv', value.chunk(3, 0)):
                result[name.replace('in_proj', letter + '_proj')] = part.contiguous()
        else:
            result[name] = value
    return result


def join_in_proj(state):
    """The reverse of split_in_proj."""
    result = {}
    for name, value in state.items():
        if '.q_proj.' in name:
            parts = [state[name.replace('q_proj', letter + '_proj')] for letter in 'qkv']
            result[name.replace('q_proj', 'in_proj')] = torch.cat(parts, 0)
        elif '.k_proj.' not in name and '.v_proj.' not in name:
            result[name] = value
    return result


def write_safetensors(path, state):
    """Writes tensors as F16: 8 bytes little-endian header length, JSON header padded to 8 bytes, data."""
    header, blobs, offset = {'__metadata__': {'format': 'pt'}}, [], 0
    for name in sorted(state):
        array = state[name].detach().float().contiguous().numpy().astype('<f2')
        blobs.append(array.tobytes())
        end = offset + len(blobs[-1])
        header[name] = {'dtype': 'F16', 'shape': list(array.shape), 'data_offsets': [offset, end]}
        offset = end
    encoded = json.dumps(header, separators=(',', ':')).encode()
    encoded += b' ' * (-len(encoded) % 8)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(encoded)) + encoded + b''.join(blobs))


def read_safetensors(path):
    """{name: float32 tensor} of a file of F16 or F32."""
    with open(path, 'rb') as file:
        data = file.read()
    start = 8 + struct.unpack('<Q', data[:8])[0]
    header = json.loads(data[8:start])
    header.pop('__metadata__', None)
    result = {}
    for name, entry in header.items():
        values = np.frombuffer(
            data,
            _DTYPES[entry['dtype']],
            offset=start + entry['data_offsets'][0],
            count=int(np.prod(entry['shape'])),
        )
        result[name] = torch.from_numpy(values.reshape(entry['shape']).astype(np.float32))
    return result


def load_model(path):
    """The model of a directory, for evaluation."""
    with open(os.path.join(path, 'config.json')) as file:
        model = CLIP(json.load(file))
    model.load_state_dict(join_in_proj(read_safetensors(os.path.join(path, 'model.safetensors'))))
    return model.eval()


def _preprocessor_configuration():
    return {
        'image_processor_type': 'CLIPImageProcessor',
        'feature_extractor_type': 'CLIPFeatureExtractor',
        'do_convert_rgb': True,
        'do_resize': True,
        'size': {'shortest_edge': IMAGE_SIZE},
        'resample': 3,
        'do_center_crop': True,
        'crop_size': {'height': IMAGE_SIZE, 'width': IMAGE_SIZE},
        'do_rescale': True,
        'rescale_factor': 1 / 255,
        'do_normalize': True,
        'image_mean': list(IMAGE_MEAN),
        'image_std': list(IMAGE_STD),
    }


def write_configuration(path, configuration):
    """config.json and preprocessor_config.json."""
    for name, content in (
        ('config.json', configuration),
        ('preprocessor_config.json', _preprocessor_configuration()),
    ):
        with open(os.path.join(path, name), 'w', encoding='utf-8') as file:
            json.dump(content, file, indent=1)
