"""NICE in FrEIA, with its public classes."""

import math

import torch
from FrEIA.framework import SequenceINN
from FrEIA.modules import LearnedElementwiseScaling, NICECouplingBlock
from torch import nn

from benchmarks.training_loops.torch import mlp, noisy


class Density(nn.Module):
    """A `SequenceINN` with a standard normal prior, and with `log_prob` and `sample`."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def log_prob(self, x):
        z, jac = self.model(x)
        return jac - 0.5 * (z * z).sum(1) - 0.5 * math.log(2 * math.pi) * z.shape[1]

    def sample(self, n):
        return self.model(torch.randn(n, *self.model.shapes[0]), rev=True)[0]


class Minus(nn.Module):
    """The negative of a network's output: the library's couplings add, the blog's subtract."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return -self.net(x)


def build(dims, couplings, hidden):
    """Blocks of two additive couplings of contiguous halves each, and a diagonal scale."""
    if couplings % 2:
        raise ValueError(f"FrEIA has couplings in pairs. Received: couplings={couplings}.")
    flow = SequenceINN(dims)
    for _ in range(couplings // 2):
        net = {"subnet_constructor": lambda a, b: Minus(mlp((a, *hidden, b)))}
        flow.append(NICECouplingBlock, **net)
    flow.append(LearnedElementwiseScaling)
    model = Density(flow)
    return model, lambda x: -model.log_prob(noisy(x)).mean()
