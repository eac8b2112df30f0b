"""NICE written by hand in torch."""

import math

import torch
from torch import nn

from benchmarks.training_loops.torch import mlp, noisy


class RawNICE(nn.Module):
    """The blog's NICE: even positions shift the odd ones, with the order reversed in each coupling.

    The two halves are concatenated only at the end.
    """

    def __init__(self, dims, couplings, hidden):
        super().__init__()
        half = dims // 2
        self.nets = nn.ModuleList(mlp((half, *hidden, half)) for _ in range(couplings))
        self.log_scale = nn.Parameter(torch.zeros(dims))

    def log_prob(self, x):
        a, b = x[:, ::2], x[:, 1::2]
        for net in self.nets:
            a, b = b.flip(1), a.flip(1)
            b = b - net(a)
        z = torch.cat([a, b], dim=1) * self.log_scale.exp()
        constant = 0.5 * math.log(2 * math.pi) * z.shape[1]
        return self.log_scale.sum() - 0.5 * (z * z).sum(1) - constant

    def sample(self, n):
        z = torch.randn(n, len(self.log_scale)) * (-self.log_scale).exp()
        a, b = z.chunk(2, dim=1)
        for net in reversed(self.nets):
            b = b + net(a)
            a, b = b.flip(1), a.flip(1)
        return torch.stack([a, b], dim=2).flatten(1)


def build(dims, couplings, hidden):
    """The model and its loss."""
    model = RawNICE(dims, couplings, hidden)
    return model, lambda x: -model.log_prob(noisy(x)).mean()
