"""The two towers of an ordinary Hugging Face CLIPModel, written for fast training on a CPU.

Parameter names are those of transformers.CLIPModel, except that q, k and v are one matrix, `in_proj`
(model_directory.py splits it). In training (exact=False) matrix products run in bf16, the residual stream and
layer norms in fp32. exact=True computes everything in fp32: the reference for evaluation and for the golden
embeddings.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import mixed_precision
from mixed_precision import LOW, linear
from render import IMAGE_SIZE, PATCH_SIZE
from tokenizer import CONTEXT_LENGTH, END_ID, START_ID, VOCABULARY

IMAGE_MEAN = (0.48145466, 0.4578275, 0.40821073)  # OpenAI's CLIP, which every loader of CLIP expects
IMAGE_STD = (0.26862954, 0.26130258, 0.27577711)


def configuration(width=128, vision_layers=5, text_layers=2, heads=4, projection=256):
    """The contents of config.json."""
    tower = {
        'hidden_size': width,
        'intermediate_size': 4 * width,
        'num_attention_heads': heads,
        'hidden_act': 'quick_gelu',
        'layer_norm_eps': 1e-5,
        'attention_dropout': 0.0,
        'projection_dim': projection,
    }
    return {
        'architectures': ['CLIPModel'],
        'model_type': 'clip',
        'projection_dim': projection,
        'logit_scale_init_value': 2.6592,
        'initializer_factor': 1.0,
        'torch_dtype': 'float16',
        'text_config': {
            'model_type': 'clip_text_model',
            'vocab_size': len(VOCABULARY),
            'num_hidden_layers': text_layers,
            'max_position_embeddings': CONTEXT_LENGTH,
            'bos_token_id': START_ID,
            'eos_token_id': END_ID,
            'pad_token_id': END_ID,
            **tower,
        },
        'vision_config': {
            'model_type': 'clip_vision_model',
            'num_hidden_layers': vision_layers,
            'num_channels': 3,
            'image_size': IMAGE_SIZE,
            'patch_size': PATCH_SIZE,
            **tower,
        },
    }


def pixel_values(pictures):
    """uint8 [N, S, S, 3] -> normalised float32 [N, 3, S, S]."""
    x = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float().div_(255)
    return (
        x.sub_(torch.tensor(IMAGE_MEAN).view(3, 1, 1))
        .div_(torch.tensor(IMAGE_STD).view(3, 1, 1))
        .contiguous()
    )


class SelfAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.in_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x, batch, mask, exact):
        """x: [batch * length, width] -> the same."""
        width = x.shape[1]
        length, head_width = x.shape[0] // batch, width // self.heads
        split = linear(x, self.in_proj, exact).view(batch, length, 3, self.heads, head_width)
        q, k, v = split.permute(2, 0, 3, 1, 4).reshape(3, batch * self.heads, length, head_width).unbind(0)
        scale = head_width**-0.5
        if exact:
            logits = torch.bmm(q, k.transpose(1, 2)) * scale
            out = torch.bmm((logits if mask is None else logits + mask).softmax(-1), v)
        else:
            out = mixed_precision.Attention.apply(q, k, v, scale, None if mask is None else mask.to(LOW))
        joined = (
            out.view(batch, self.heads, length, head_width).transpose(1, 2).reshape(batch * length, width)
        )
        return linear(joined, self.out_proj, exact)


class MLP(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x, exact):
        hidden = linear(x, self.fc1, exact)
        active = hidden * torch.sigmoid(1.702 * hidden) if exact else mixed_precision.QuickGelu.apply(hidden)
        return linear(active, self.fc2, exact)


class EncoderLayer(nn.Module):
    def __init__(self, width, heads, inner):
        super().__init__()
        self.self_attn, self.layer_norm1 = SelfAttention(width, heads), nn.LayerNorm(width)
        self.mlp, self.layer_norm2 = MLP(width, inner), nn.LayerNorm(width)

    def forward(self, x, batch, mask, exact):
        """x: [batch * length, width] fp32, the residual stream -> the same."""

        def for_products(y):
            return y if exact else y.to(LOW)

        x = x + self.self_attn(for_products(self.layer_norm1(x)), batch, mask, exact)
        return x + self.mlp(for_products(self.layer_norm2(x)), exact)


class Encoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList(
            EncoderLayer(config['hidden_size'], config['num_attention_heads'], config['intermediate_size'])
            for _ in range(config['num_hidden_layers'])
        )


class VisionEmbeddings(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, patch = config['hidden_size'], config['patch_size']
        grid = config['image_size'] // patch
        self.class_embedding = nn.Parameter(torch.randn(width) * 0.02)
        self.patch_embedding = nn.Conv2d(3, width, patch, patch, bias=False)
        self.position_embedding = nn.Embedding(grid**2 + 1, width)
        nn.init.normal_(self.position_embedding.weight, std=0.02)
        with torch.no_grad():
            self.position_embedding.weight[1:] = (
                _sine_positions(grid, width) * 0.3
            )  # a start; learned freely from here
            self.patch_embedding.weight.mul_(0.5)

    def forward(self, pixels):
        """[N, 3, S, S] -> [N, 1 + grid * grid, width]. The strided convolution is written as one matrix
        product."""
        n, channels, height, width = pixels.shape
        kernel = self.patch_embedding.weight
        patch = kernel.shape[2]
        patches = pixels.reshape(n, channels, height // patch, patch, width // patch, patch)
        patches = patches.permute(0, 2, 4, 1, 3, 5).reshape(n, -1, channels * patch * patch)
        tokens = torch.cat([self.class_embedding.expand(n, 1, -1), patches @ kernel.flatten(1).t()], 1)
        return tokens + self.position_embedding.weight


def _sine_positions(grid, width):
    """[grid * grid, width]: sines and cosines of row and column at falling frequencies."""
    quarter = width // 4
    frequency = 2 ** (-torch.arange(quarter).float() * 4 / quarter) * math.pi / 2
    row, column = torch.meshgrid(torch.arange(grid).float(), torch.arange(grid).float(), indexing='ij')
    waves = [
        wave(place.reshape(-1, 1) * frequency) for place in (row, column) for wave in (torch.sin, torch.cos)
    ]
    return torch.cat(waves, 1)


class VisionTower(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embeddings = VisionEmbeddings(config)
        self.pre_layrnorm = nn.LayerNorm(config['hidden_size'])  # spelt so in the published checkpoints
        self.encoder = Encoder(config)
        self.post_layernorm = nn.LayerNorm(config['hidden_size'])

    def forward(self, pixels, exact=False, tap=None):
        """[N, 3, S, S] -> (class token [N, width], patches [N, grid * grid, width] after layer `tap`, or
        None)."""
        n = len(pixels)
        x = self.pre_layrnorm(self.embeddings(pixels))
        width = x.shape[2]
        x, tapped = x.reshape(-1, width), None
        for index, layer in enumerate(self.encoder.layers):
            x = layer(x, n, None, exact)
            if index == tap:
                tapped = x.view(n, -1, width)[:, 1:]
        return self.post_layernorm(x.view(n, -1, width)[:, 0]), tapped


class TextEmbeddings(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.token_embedding = nn.Embedding(config['vocab_size'], config['hidden_size'])
        self.position_embedding = nn.Embedding(config['max_position_embeddings'], config['hidden_size'])
        nn.init.normal_(self.token_embedding.weight, std=0.05)
        nn.init.normal_(self.position_embedding.weight, std=0.02)


class TextTower(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embeddings = TextEmbeddings(config)
        self.encoder = Encoder(config)
        self.final_layer_norm = nn.LayerNorm(config['hidden_size'])

    def forward(self, ids, exact=False):
        """int64 [N, length] -> [N, width], read at the first end token."""
        n, length = ids.shape
        x = self.embeddings.token_embedding(ids) + self.embeddings.position_embedding.weight[:length]
        width = x.shape[2]
        causal = torch.full((length, length), -1e4).triu(1)
        x = x.view(-1, width)
        for layer in self.encoder.layers:
            x = layer(x, n, causal, exact)
        end = (ids == END_ID).int().argmax(1)
        return self.final_layer_norm(x.view(n, length, width)[torch.arange(n), end])


class CLIP(nn.Module):
    def __init__(self, config):
        super().__init__()
        vision, text, projection = config['vision_config'], config['text_config'], config['projection_dim']
        self.config = config
        self.text_model, self.vision_model = TextTower(text), VisionTower(vision)
        self.visual_projection = nn.Linear(vision['hidden_size'], projection, bias=False)
        self.text_projection = nn.Linear(text['hidden_size'], projection, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        for name, parameter in self.named_parameters():
            if name.endswith('bias'):
                nn.init.zeros_(parameter)
            elif 'encoder' in name and parameter.ndim == 2:
                nn.init.xavier_uniform_(parameter)
                if 'out_proj' in name or 'fc2' in name:
                    parameter.data.mul_(0.5)  # a calm start of the residual stream

    def embed_images(self, pixels):
        """[N, 3, S, S] -> [N, projection], fp32, of length 1."""
        return F.normalize(self.visual_projection(self.vision_model(pixels, exact=True)[0]), dim=-1)

    def embed_texts(self, ids):
        """int64 [N, length] -> [N, projection], fp32, of length 1."""
        return F.normalize(self.text_projection(self.text_model(ids, exact=True)), dim=-1)
