"""MAF in nflows, with its public classes."""

from nflows.distributions import StandardNormal
from nflows.flows import Flow
from nflows.transforms import (
    CompositeTransform,
    MaskedAffineAutoregressiveTransform,
    ReversePermutation,
)


def build(dims, steps, hidden):
    """Affine autoregressive transforms, the order reversed between them, standard normal.

    The library's scales are softplus(r) + 0.001; shifts are added after scaling.
    """
    width, *others = hidden
    if any(other != width for other in others):
        raise ValueError(f"nflows has hidden layers of one width. Received: hidden={hidden}.")
    layers = []
    for i in range(steps):
        layers += [ReversePermutation(dims)] if i else []
        layers.append(
            MaskedAffineAutoregressiveTransform(
                dims, width, num_blocks=len(others), use_residual_blocks=False
            )
        )
    model = Flow(CompositeTransform(layers), StandardNormal([dims]))
    return model, lambda x: -model.log_prob(x).mean()
