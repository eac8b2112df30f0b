"""IDF (1905.07376) and IDF++ (2006.12459)."""

import keras

from keras_flows.flow.flow import Flow
from keras_flows.layers import (
    Chain,
    DiscretizedLogistic,
    IntegerCoupling,
    IntegerInput,
    Permute,
    Split,
    Squeeze,
)
from keras_flows.models.pictures import check_sides, flat
from keras_flows.models.sizes import check_sizes
from keras_flows.networks import DenseNet
from keras_flows.priors import StandardLogistic

VARIANTS = {
    "paper": {"steps": 8, "norm": None, "activation": "relu"},
    "plus": {"steps": 4, "norm": "group", "activation": "swish"},
}


def IDF(
    image_shape,
    *,
    levels=3,
    steps=None,
    parts=1,
    variant="paper",
    norm="auto",
    split="quarter",
    hidden=512,
    blocks=12,
    prior_hidden=None,
    levels_per_channel=256,
    mixture=None,
    seed=None,
    name="idf",
):
    """Integer discrete flow: couplings of integers with rounded shifts. A lossless compressor.

    log_prob is the exact log probability of a picture, and bits/dim are exact:
    no noise is added. Each scale squeezes 2x2 pixels into channels and applies
    `steps` couplings. All but the last then factor out half of the channels,
    as discretised logistics whose parameters come from a network of the
    channels kept. The last scale has learned parameters for each dimension.

    Args:
        image_shape: (height, width, channels), sides divisible by 2**levels.
        levels: number of scales.
        steps: couplings in each scale; None uses the default of the variant.
        parts: parts into which the channels that a scale factors out are cut.
            Each depends on the channels kept and on the parts coded before it.
            With 2 or more the last scale is cut, too, into `parts` parts, of
            which only the first has parameters without a network. Fewer where
            there are fewer channels.
        variant: "paper", IDF (1905.07376): 8 steps, random permutations, dense
            networks with ReLU. "plus", IDF++ (2006.12459): 4 steps, channels
            keep their places, shifts start at 0 by a learned scalar, group
            normalisation and swish in the networks.
        norm: normalisation in the networks, "group", None, or "auto", that of the variant.
        split: which channels a coupling moves, "quarter" or "halves".
        hidden: channels that the blocks of a network add together.
        blocks: dense blocks of each network.
        prior_hidden: `hidden` of the networks of parameters; None uses `hidden`.
        levels_per_channel: values of a pixel: 256, or 32 for 5 bits.
        mixture: logistics of each distribution; None uses 1, and 5 for the
            last scale, as in IDF.
        seed: integer that fixes permutations.

    Shapes: `(batch, *image_shape)` to `(batch, dims)`; `flow.latent_levels`
    has the slices of the parts, in the order of encoding. Log-likelihoods in
    nats. Raises ValueError for sides not divisible by 2**levels and for
    unknown options.

    >>> flow = IDF((32, 32, 3), variant="plus", hidden=128, blocks=4)
    >>> flow.compile("adamax"); flow.fit(images); flow.bits_per_dim(images)
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant is 'paper' or 'plus'. Received: variant={variant!r}.")
    check_sides("IDF", image_shape, levels, squeezes=levels)
    optional = {"steps": steps, "prior_hidden": prior_hidden, "mixture": mixture}
    check_sizes("IDF", optional, parts=parts, hidden=hidden, blocks=blocks)
    networks = {key: VARIANTS[variant][key] for key in ("norm", "activation")}
    networks |= {} if norm == "auto" else {"norm": norm}
    steps = VARIANTS[variant]["steps"] if steps is None else steps

    def distribution(channels, components):
        count = DiscretizedLogistic(components).parameters(channels)
        net = DenseNet(count, prior_hidden or hidden, blocks, **networks)
        return DiscretizedLogistic(components, net, levels_per_channel)

    dtype = "uint8" if levels_per_channel <= 256 else "int32"
    x = keras.Input(image_shape, dtype=dtype, name="x")
    h, latents = IntegerInput(levels_per_channel)(x), []
    for level in range(levels):
        h = Squeeze()(h)
        couplings = []
        for i in range(steps):
            coupling_seed = None if seed is None else [seed, level, i]
            moved = max(1, h.shape[-1] // (4 if split == "quarter" else 2))
            options = {"split": split, "levels": levels_per_channel}
            net = DenseNet(moved, hidden, blocks, **networks, zeros=variant == "paper")
            if variant == "paper":
                couplings += [
                    Permute("random", seed=coupling_seed),
                    IntegerCoupling(net, **options),
                ]
            else:
                options |= {"order": "random", "rezero": True, "seed": coupling_seed}
                couplings.append(IntegerCoupling(net, **options))
        h = Chain(couplings, name=f"level_{level + 1}")(h)
        for size in _part_sizes(h.shape[-1], parts, last=level == levels - 1):
            h, out = Split([h.shape[-1] - size, size])(h)
            latents.append(distribution(size, mixture or 1)([out, h]))
    latents.append(DiscretizedLogistic(mixture or 5, levels=levels_per_channel, name="top")(h))
    return Flow(keras.Model(x, flat(latents), name="encoder"), StandardLogistic(), name=name)


def _part_sizes(channels, parts, last):
    """Channels of each part that a scale factors out, in the order of encoding."""
    if last:
        parts, total = min(parts, channels), channels
    else:
        total = channels // 2
        parts = min(parts, total)
    sizes = [total // parts + (i < total % parts) for i in range(parts)]
    return sizes[: parts - 1] if last else sizes
