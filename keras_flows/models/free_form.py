"""What the builders of residual and implicit flows share: blocks and scales, one after another."""

import functools
import math

import keras

from keras_flows.flow.flow import Flow
from keras_flows.layers import Actnorm, Dequantize, Logit, Reshape, Squeeze
from keras_flows.models.pictures import check_sides
from keras_flows.models.sizes import is_image_shape, widths
from keras_flows.models.vectors import entry, scaled
from keras_flows.networks import LipschitzConvNet, LipschitzMLP


def free_form_flow(
    builder,
    make,
    dims,
    *,
    levels,
    squeezes,
    steps,
    hidden,
    dense_steps,
    context_dims,
    classes,
    standardize,
    support,
    alpha,
    seed,
    name,
):
    """A flow of blocks that keep shapes, each followed by an `Actnorm`.

    `make` takes a function that makes a network, and a seed, and gives the block; `builder` names
    the function that was called. The other arguments are those of `ResidualFlow`.
    """
    pictures = is_image_shape(dims)
    hidden = widths(builder, hidden, layers=2)
    inputs, h, context = entry(
        builder, dims, context_dims, classes, steps, standardize, pictures=True
    )
    if pictures:
        check_sides(builder, dims, levels, squeezes=levels - 1 + squeezes)
    if dense_steps < 0 or (pictures and context_dims):
        raise ValueError(
            f"{builder} needs dense_steps of 0 or more, and takes context_dims for vectors only. "
            f"Received: dims={dims}, dense_steps={dense_steps}, context_dims={context_dims}."
        )
    seeds = iter(range(levels * steps + dense_steps))

    def block(h, network, **options):
        number = next(seeds)
        network = functools.partial(network, hidden, first_activation=number > 0, **options)
        layer = make(network, None if seed is None else seed + number)
        return Actnorm()(layer([h, *context] if context else h))

    if pictures:
        h = Actnorm()(Logit(alpha)(Dequantize(256, seed=seed)(h)))
        kernels = (3, *[1] * (len(hidden) - 1), 3)
        for level in range(levels):
            for _ in range(1 if level else squeezes):
                h = Squeeze()(h)
            for _ in range(steps):
                h = block(h, LipschitzConvNet, kernels=kernels)
        h = Reshape((math.prod(dims),))(h)
    else:
        h = scaled(h, support, standardize)
    for _ in range(dense_steps if pictures else steps):
        h = block(h, LipschitzMLP)
    return Flow(keras.Model(inputs, h, name="encoder"), name=name)
