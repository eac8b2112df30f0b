"""Glow (1807.03039)."""

import keras

from keras_flows.flow.flow import Flow
from keras_flows.layers import (
    Actnorm,
    Chain,
    ClassVector,
    CondActnorm,
    Coupling,
    InvConv,
    Permute,
    Rescale,
    Split,
    Squeeze,
)
from keras_flows.models.multiscale import check_sides, flat, pixels
from keras_flows.networks import ConvNet

VARIANTS = {
    "blog": {"depth": 10, "coupling": "additive", "permutation": "shuffle", "offset": -1.0},
    "paper": {"depth": 32, "coupling": "affine", "permutation": "inv_conv", "offset": -0.5},
}
PERMUTATIONS = {
    "inv_conv": lambda seed: InvConv(seed),
    "shuffle": lambda seed: Permute("random", seed=seed),
    "reverse": lambda seed: Permute("reverse"),
}


def Glow(
    *,
    image_shape=(64, 64, 3),
    levels=3,
    depth=None,
    hidden=512,
    variant="blog",
    coupling=None,
    permutation=None,
    scale="sigmoid",
    conditional_prior=True,
    learn_top=True,
    classes=None,
    levels_per_channel=256,
    dequantization="uniform",
    seed=None,
    name="glow",
):
    """Multi-scale flow of actnorm, permutation and coupling: Glow (1807.03039) section 3.

    Each of `levels` scales squeezes 2x2 pixels into channels, takes `depth`
    steps, and, the last one apart, splits half of the channels off. The latent
    is flat and holds everything; `flow.latent_levels` tells its scales.

    Args:
        image_shape: (height, width, channels), sides divisible by 2**levels.
        levels, depth: scales, and steps of each; depth None is the variant's.
        hidden: channels of the coupling networks.
        variant: "blog", as in the blog series: 10 additive steps with random
            permutations, pixels in [-1, 1], actnorms that start as the
            identity; or "paper": 32 affine steps with invertible 1x1
            convolutions, pixels in [-1/2, 1/2], actnorms started from data,
            and in the networks actnorm, `EdgePad` and exp(3 k) at the end.
        coupling: "additive" or "affine"; None is the variant's.
        permutation: "inv_conv", "shuffle" or "reverse"; None is the variant's.
        scale: of affine couplings, as in `Coupling`.
        conditional_prior: whether what is split off has mean and scale given
            by what is kept; otherwise its prior is N(0, 1).
        learn_top: whether the last scale has a learned mean and scale a channel.
        classes: how many, for a class-conditional flow: mean and scale of the
            last scale are then given by the class, `flow.fit([x, labels])`.
        levels_per_channel: of the pixels: 256, or 32 for 5 bits.
        dequantization: "uniform", right for bits/dim; or "blog": floats in
            [0, 1], and noise of half a bin, for which there are none.
        seed: integer that fixes permutations and noise.

    Shapes: `(batch, *image_shape)` to `(batch, dims)`. Log-likelihoods in
    nats. Raises ValueError for sides that levels do not divide and for
    unknown options.

    >>> flow = Glow(image_shape=(32, 32, 3), variant="paper", depth=8)
    >>> flow.compile("adamax"); flow.fit(images); flow.sample(16, temperature=0.7)
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant is 'blog' or 'paper'. Received: variant={variant!r}.")
    given = {"depth": depth, "coupling": coupling, "permutation": permutation}
    options = {**VARIANTS[variant], **{k: v for k, v in given.items() if v is not None}}
    _check(image_shape, levels, options, classes)
    x, h = pixels(image_shape, levels_per_channel, dequantization, seed)
    h = Rescale(-2 * options["offset"], options["offset"])(h)
    label = keras.Input((), dtype="int32", name="label") if classes else None
    parts = []
    for level in range(levels):
        h = Squeeze()(h)
        steps = [
            step
            for i in range(options["depth"])
            for step in glow_step(
                h.shape[-1],
                hidden,
                options["coupling"],
                options["permutation"],
                scale=scale,
                paper=variant == "paper",
                seed=None if seed is None else [seed, level, i],
            )
        ]
        h = Chain(steps, name=f"level_{level + 1}")(h)
        if level < levels - 1:
            h, out = Split()(h)
            parts.append(CondActnorm()([out, h]) if conditional_prior else out)
    if classes:
        h = CondActnorm()([h, ClassVector(classes)(label)])
    elif learn_top:
        h = Actnorm(data_init=False, name="top")(h)
    inputs = [x, label] if classes else x
    return Flow(keras.Model(inputs, flat([*parts, h]), name="encoder"), name=name)


def glow_step(channels, hidden, coupling, permutation, *, scale="sigmoid", paper=False, seed=None):
    """One step of flow: actnorm, permutation, coupling of the halves of the channels."""
    outputs = channels // 2 * (2 if coupling == "affine" else 1)
    net = ConvNet(outputs, hidden, actnorm=paper, edges=paper)
    return [
        Actnorm(data_init=paper),
        PERMUTATIONS[permutation](seed),
        Coupling(net, coupling, split="halves", scale=scale),
    ]


def _check(image_shape, levels, options, classes):
    check_sides("Glow", image_shape, levels, squeezes=levels)
    if options["depth"] < 1 or classes is not None and classes < 1:
        raise ValueError(
            "Glow needs depth and classes of 1 or more. "
            f"Received: depth={options['depth']}, classes={classes}."
        )
    if options["permutation"] not in PERMUTATIONS:
        raise ValueError(
            f"permutation is one of {tuple(PERMUTATIONS)}. "
            f"Received: permutation={options['permutation']!r}."
        )
