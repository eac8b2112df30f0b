"""Glow in nflows, with its public classes."""

import math

import torch
from nflows.distributions import StandardNormal
from nflows.flows import Flow
from nflows.transforms import (
    ActNorm,
    AffineCouplingTransform,
    CompositeTransform,
    MultiscaleCompositeTransform,
    OneByOneConvolution,
    SqueezeTransform,
)
from nflows.utils import create_mid_split_binary_mask
from torch import nn

from benchmarks.contenders.nice_nflows import Net
from benchmarks.training_loops.torch import at_zero, conv_net, of_pixels


class Prior(AffineCouplingTransform):
    """The conditional Gaussian of the split-off first half, with scale exp(k)."""

    def _scale_and_shift(self, params):
        shift, log_scale = params.chunk(2, dim=1)
        return torch.exp(log_scale), shift


def build(image_shape, levels, depth, hidden):
    """Steps of flow in a `MultiscaleCompositeTransform`, standard normal.

    The library's 1x1 convolution is a random permutation and an LU product that starts as the
    identity; its parameters are the triangles and a bias, which Glow does not have. Its sigmoid
    scales have 0.001 added. The conditional prior is an affine coupling with one 3x3 convolution
    before the split.
    """

    def coupling_net(inputs, outputs):
        return Net(conv_net(inputs, hidden, outputs))

    def prior_net(inputs, outputs):
        return Net(at_zero(nn.Conv2d(inputs, outputs, 3, padding=1)))

    height, width, channels = image_shape
    flow = MultiscaleCompositeTransform(levels)
    for level in range(levels):
        channels, height, width = 4 * channels, height // 2, width // 2
        first_half = create_mid_split_binary_mask(channels)
        steps = [SqueezeTransform()]
        for _ in range(depth):
            coupling = AffineCouplingTransform(1 - first_half, coupling_net)
            steps += [ActNorm(channels), OneByOneConvolution(channels), coupling]
        if level < levels - 1:
            steps.append(Prior(first_half, prior_net))
        flow.add_transform(CompositeTransform(steps), (channels, height, width))
        channels //= 2
    return of_pixels(Flow(flow, StandardNormal([math.prod(image_shape)])))
