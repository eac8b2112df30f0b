"""Autoregressive NSF in nflows, with its public classes."""

from nflows.distributions import StandardNormal
from nflows.flows import Flow
from nflows.transforms import (
    CompositeTransform,
    LULinear,
    MaskedPiecewiseRationalQuadraticAutoregressiveTransform,
    RandomPermutation,
)


def build(dims, steps, bins, tail_bound, hidden, blocks):
    """Splines between linear maps, as in the paper's experiments; the authors' own library.

    A linear map is a random permutation and an LU product that starts as the identity.
    """

    def linear():
        return [RandomPermutation(dims), LULinear(dims, identity_init=True)]

    layers = []
    for _ in range(steps):
        spline = MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
            dims, hidden, num_bins=bins, tails="linear", tail_bound=tail_bound, num_blocks=blocks
        )
        layers += [*linear(), spline]
    model = Flow(CompositeTransform([*layers, *linear()]), StandardNormal([dims]))
    return model, lambda x: -model.log_prob(x).mean()
