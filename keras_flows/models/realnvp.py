"""RealNVP (1605.08803)."""

import keras

from keras_flows.flow.flow import Flow
from keras_flows.layers import (
    BatchNormFlow,
    Chain,
    CheckerboardCouple,
    Coupling,
    Logit,
    Split,
    Squeeze,
)
from keras_flows.models.pictures import check_noise, check_sides, flat, pixels
from keras_flows.models.sizes import check_sizes
from keras_flows.networks import ResidualNet


def RealNVP(
    image_shape,
    *,
    levels=2,
    norm="batch",
    hidden=64,
    blocks=8,
    l2=5e-5,
    levels_per_channel=256,
    noise="uniform",
    alpha=0.05,
    seed=None,
    name="realnvp",
):
    """Multi-scale flow of checkerboard and channel couplings: RealNVP (1605.08803) section 3.6.

    The flow sees the logits of the pixels. Each scale but the last has three
    checkerboard couplings, a squeeze and three channel couplings, and splits
    off half of the channels. The last scale has four checkerboard couplings.
    Couplings are affine with bounded scales; successive couplings swap the
    parts. Batch normalisation follows each of them.

    Args:
        image_shape: (height, width, channels), sides divisible by 2**(levels - 1).
        levels: number of scales; the paper uses 2 for CIFAR-10.
        norm: normalisation after each coupling: "batch" as in the paper, or None.
        hidden: channels of the networks of the first scale; doubled after each squeeze.
        blocks: residual blocks of each network.
        l2: penalty on the gains of the networks' weight normalisation.
        levels_per_channel: values of a pixel: 256, or 32 for 5 bits.
        noise: of dequantization: "uniform", or "variational", which is learned.
        alpha: see `Logit`.
        seed: integer that fixes the noise.

    Shapes: `(batch, *image_shape)` to `(batch, dims)`; `flow.latent_levels`
    has the slices of the scales. Log-likelihoods in nats. Raises ValueError
    for sides not divisible by 2**(levels - 1) and for unknown options.

    >>> flow = RealNVP((32, 32, 3), hidden=32, blocks=4)
    >>> flow.compile("adam"); flow.fit(images)
    """
    check_sides("RealNVP", image_shape, levels, squeezes=levels - 1)
    check_sizes("RealNVP", hidden=hidden)
    if norm not in ("batch", None):
        raise ValueError(f"norm is 'batch' or None. Received: norm={norm!r}.")
    x, h = pixels(image_shape, levels_per_channel, check_noise(noise), seed)
    h = Logit(alpha)(h)
    parts = []

    def couplings(kind, count, h, hidden, outputs, **options):
        steps = []
        for i in range(count):
            net = ResidualNet(outputs, hidden, blocks, l2)
            steps.append(kind(net, "affine", flip=i % 2 == 1, scale="tanh", **options))
            steps += [BatchNormFlow(affine=False)] if norm else []
        return Chain(steps)(h)

    for _ in range(levels - 1):
        h = couplings(CheckerboardCouple, 3, h, hidden, 2 * h.shape[-1])
        h = Squeeze()(h)
        hidden = 2 * hidden
        h = couplings(Coupling, 3, h, hidden, h.shape[-1], split="halves")
        h, out = Split()(h)
        parts.append(out)
    h = couplings(CheckerboardCouple, 4, h, hidden, 2 * h.shape[-1])
    return Flow(keras.Model(x, flat([*parts, h]), name="encoder"), name=name)
