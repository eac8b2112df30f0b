"""NICE in nflows, with its public classes."""

import torch
from nflows.distributions import StandardNormal
from nflows.flows import Flow
from nflows.transforms import (
    AdditiveCouplingTransform,
    CompositeTransform,
    InverseTransform,
    Transform,
)
from nflows.utils import create_alternating_binary_mask

from benchmarks.training_loops.torch import mlp, noisy


class Scale(Transform):
    """z = exp(k) x; the library has diagonal scaling with constant factors only."""

    def __init__(self, dims):
        super().__init__()
        self.kernel = torch.nn.Parameter(torch.zeros(dims))

    def forward(self, inputs, context=None):
        log_det = self.kernel.sum().expand(len(inputs))
        return inputs * torch.exp(self.kernel), log_det

    def inverse(self, inputs, context=None):
        log_det = -self.kernel.sum().expand(len(inputs))
        return inputs * torch.exp(-self.kernel), log_det


class Net(torch.nn.Module):
    """A network that accepts the library's context and ignores it."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, inputs, context=None):
        return self.net(inputs)


def build(dims, couplings, hidden):
    """Additive couplings on alternating parity, diagonal scale, standard normal.

    The couplings are inverted: the library's subtract in that direction, as the blog's do when
    they encode.
    """

    def make_net(inputs, outputs):
        return Net(mlp((inputs, *hidden, outputs)))

    steps = []
    for i in range(couplings):
        mask = create_alternating_binary_mask(dims, even=i % 2 == 0)
        steps.append(InverseTransform(AdditiveCouplingTransform(mask, make_net)))
    model = Flow(CompositeTransform([*steps, Scale(dims)]), StandardNormal((dims,)))
    return model, lambda x: -model.log_prob(noisy(x)).mean()
