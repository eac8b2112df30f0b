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
from keras_flows.models.multiscale import check_sides, flat, pixels
from keras_flows.networks import ResidualNet


def RealNVP(
    *,
    image_shape=(32, 32, 3),
    levels=2,
    hidden=64,
    blocks=8,
    alpha=0.05,
    l2=5e-5,
    batch_norm=True,
    levels_per_channel=256,
    seed=None,
    name="realnvp",
):
    """Multi-scale flow of checkerboard and channel couplings: RealNVP (1605.08803) section 3.6.

    Logits of the pixels; at each scale three checkerboard couplings, a
    squeeze, three channel couplings, and half of the channels split off; at
    the last one four checkerboard couplings. Couplings are affine with
    bounded scales and alternate; each is followed by batch normalisation.

    Args:
        image_shape: (height, width, channels), sides divisible by 2**(levels - 1).
        levels: scales; 2, one halving of the sides, is the paper's for CIFAR-10.
        hidden: channels of the networks of the first scale; doubled after each squeeze.
        blocks: residual blocks of each network.
        alpha: of `Logit`.
        l2: penalty on the gains of the networks' weight normalisation.
        batch_norm: whether couplings are followed by `BatchNormFlow`.
        levels_per_channel: of the pixels: 256, or 32 for 5 bits.
        seed: integer that fixes the noise.

    Shapes: `(batch, *image_shape)` to `(batch, dims)`, flat; parts in
    `flow.latent_levels`. Log-likelihoods in nats. Raises ValueError for sides
    that levels do not divide.

    >>> flow = RealNVP(hidden=32, blocks=4); flow.compile("adam"); flow.fit(images)
    """
    check_sides("RealNVP", image_shape, levels, squeezes=levels - 1)
    x, h = pixels(image_shape, levels_per_channel, "uniform", seed)
    h = Logit(alpha)(h)
    parts = []

    def couplings(kind, count, h, hidden, outputs, **options):
        steps = []
        for i in range(count):
            net = ResidualNet(outputs, hidden, blocks, l2)
            steps.append(kind(net, "affine", flip=i % 2 == 1, scale="tanh", **options))
            steps += [BatchNormFlow(affine=False)] if batch_norm else []
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
