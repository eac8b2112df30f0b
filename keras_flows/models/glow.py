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
from keras_flows.models.pictures import check_sides, flat, pixels
from keras_flows.models.sizes import check_sizes
from keras_flows.networks import ConvNet

VARIANTS = {
    "blog": {"steps": 10, "coupling": "additive", "permutation": "shuffle", "offset": -1.0},
    "paper": {"steps": 32, "coupling": "affine", "permutation": "inv_conv", "offset": -0.5},
}
PERMUTATIONS = {
    "inv_conv": lambda seed: InvConv(seed),
    "shuffle": lambda seed: Permute("random", seed=seed),
    "reverse": lambda seed: Permute("reverse"),
}


def Glow(
    image_shape,
    *,
    levels=3,
    steps=None,
    variant="blog",
    coupling=None,
    permutation=None,
    scale="sigmoid",
    hidden=512,
    levels_per_channel=256,
    noise="uniform",
    classes=None,
    conditional_prior=True,
    learn_top=True,
    squeeze_first=True,
    seed=None,
    name="glow",
):
    """Multi-scale flow of actnorm, permutation and coupling: Glow (1807.03039) section 3.

    Each of the scales squeezes 2x2 pixels into channels and applies `steps`
    steps of flow. All but the last then split off half of the channels. The
    latent is one flat vector; `flow.latent_levels` has the slices of its scales.

    Args:
        image_shape: (height, width, channels), sides divisible by 2**levels.
        levels: number of scales.
        steps: steps of flow in each scale; None uses the default of the variant.
        variant: "blog", as in the blog series: 10 additive steps with random
            permutations, pixels in [-1, 1], actnorms that start as the
            identity; or "paper": 32 affine steps with invertible 1x1
            convolutions, pixels in [-1/2, 1/2], actnorms started from data,
            and in the networks actnorm, `EdgePad` and exp(3 k) at the end.
        coupling: "additive" or "affine"; None uses the default of the variant.
        permutation: "inv_conv", "shuffle" or "reverse"; None uses the default
            of the variant.
        scale: scale function of affine couplings, see `Coupling`.
        hidden: channels of the coupling networks.
        levels_per_channel: values of a pixel: 256, or 32 for 5 bits.
        noise: "uniform", dequantization of integers, which defines bits/dim;
            "variational", learned noise in the same bin, for a tighter bound, see
            `VariationalDequantize`; "blog": floats in [0, 1] and noise of half
            a bin, which does not; or None: real numbers, such as the latents
            of an autoencoder.
        classes: number of classes of a class-conditional flow. The mean and
            scale of the last scale then depend on the class, `flow.fit([x, labels])`.
        conditional_prior: whether the mean and scale of the channels split off
            depend on the channels kept; otherwise their prior is N(0, 1).
        learn_top: whether the last scale has a learned mean and scale for each channel.
        squeeze_first: whether the first scale squeezes too. Without it the sides
            are divisible by 2**(levels - 1), as for latents with many channels.
        seed: integer that fixes permutations and noise.

    Shapes: `(batch, *image_shape)` to `(batch, dims)`. Log-likelihoods in
    nats. Raises ValueError for sides that cannot be halved so often and for
    unknown options.

    >>> flow = Glow((32, 32, 3), variant="paper", steps=8)
    >>> flow.compile("adamax"); flow.fit(images); flow.sample(16, temperature=0.7)
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant is 'blog' or 'paper'. Received: variant={variant!r}.")
    received = {"steps": steps, "coupling": coupling, "permutation": permutation}
    options = {**VARIANTS[variant], **{k: v for k, v in received.items() if v is not None}}
    check_sides("Glow", image_shape, levels, squeezes=levels - (not squeeze_first))
    check_sizes("Glow", {"steps": steps, "classes": classes}, hidden=hidden)
    _check_permutation(options["permutation"])
    x, h = pixels(image_shape, levels_per_channel, noise, seed)
    if noise is not None:
        h = Rescale(-2 * options["offset"], options["offset"])(h)
    label = keras.Input((), dtype="int32", name="label") if classes else None
    step_options = {"scale": scale, "paper": variant == "paper"}
    step_options |= {name: options[name] for name in ("coupling", "permutation")}
    parts = []
    for level in range(levels):
        h = Squeeze()(h) if level or squeeze_first else h
        layers = []
        for i in range(options["steps"]):
            step_seed = None if seed is None else [seed, level, i]
            layers += glow_step(h.shape[-1], hidden, seed=step_seed, **step_options)
        h = Chain(layers, name=f"level_{level + 1}")(h)
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


def _check_permutation(permutation):
    if permutation not in PERMUTATIONS:
        raise ValueError(
            f"permutation is one of {tuple(PERMUTATIONS)}. Received: permutation={permutation!r}."
        )
