"""Products in bf16 with fp32 master weights: what makes training fast on a CPU with AVX-512 bf16 or AMX.

torch 1.13's autocast keeps more copies and casts than these three functions do. Each has its gradient beside
it.
"""

import torch
import torch.nn.functional as F

LOW = torch.bfloat16


class _Linear(torch.autograd.Function):
    """x [n, in] in bf16, weight [out, in] and bias [out] in fp32 -> [n, out] in bf16."""

    @staticmethod
    def forward(context, x, weight, bias):
        low_weight = weight.to(LOW)
        context.save_for_backward(x, low_weight)
        return F.linear(x, low_weight, bias.to(LOW))

    @staticmethod
    def backward(context, gradient):
        x, low_weight = context.saved_tensors
        gradient = gradient.contiguous()
        return gradient @ low_weight, (gradient.t() @ x).float(), gradient.sum(0).float()


class QuickGelu(torch.autograd.Function):
    """x * sigmoid(1.702 x) = silu(1.702 x) / 1.702, which lets the fused silu kernel do the work; bf16 ->
    bf16."""

    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return F.silu(x.float().mul_(1.702)).mul_(1 / 1.702).to(LOW)

    @staticmethod
    def backward(context, gradient):
        (x,) = context.saved_tensors
        return torch.ops.aten.silu_backward(gradient.float(), x.float().mul_(1.702)).to(LOW)


class Attention(torch.autograd.Function):
    """softmax(scale * q k^T + mask) v for q, k, v [batch * heads, length, width]; mask [length, length] or
    None."""

    @staticmethod
    def forward(context, q, k, v, scale, mask):
        weights = torch.bmm(q, k.transpose(1, 2)).mul_(scale)
        if mask is not None:
            weights += mask
        weights = weights.softmax(-1)
        context.save_for_backward(q, k, v, weights)
        context.scale = scale
        return torch.bmm(weights, v)

    @staticmethod
    def backward(context, gradient):
        q, k, v, weights = context.saved_tensors
        gradient = gradient.contiguous()
        for_v = torch.bmm(weights.transpose(1, 2), gradient)
        for_weights = torch.bmm(gradient, v.transpose(1, 2))
        for_logits = torch._softmax_backward_data(for_weights, weights, -1, weights.dtype).mul_(context.scale)
        return torch.bmm(for_logits, k), torch.bmm(for_logits.transpose(1, 2), q), for_v, None, None


def linear(x, layer, exact):
    """Applies an nn.Linear: in fp32 if exact, else in bf16 (x is bf16 then)."""
    return F.linear(x, layer.weight, layer.bias) if exact else _Linear.apply(x, layer.weight, layer.bias)
