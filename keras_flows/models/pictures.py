"""Parts of the builders for pictures: the input with its noise, and one flat latent."""

import math

import keras

from keras_flows.layers import (
    Concat,
    CondActnorm,
    Coupling,
    Dequantize,
    Reshape,
    UniformNoise,
    VariationalDequantize,
)
from keras_flows.models.sizes import check_image_shape, check_sizes
from keras_flows.networks import ConvNet

VARIATIONAL_HIDDEN = 32  # channels of the networks of variational dequantization


def check_sides(name, image_shape, levels, squeezes):
    """Raises a ValueError unless pictures of this shape can be squeezed at all levels."""
    check_image_shape(name, image_shape)
    check_sizes(name, levels=levels)
    height, width, _ = image_shape
    if height % 2**squeezes or width % 2**squeezes:
        most = min((side & -side).bit_length() - 1 for side in (height, width))
        raise ValueError(
            f"{name} halves the sides {squeezes} times: they must be divisible by {2**squeezes}. "
            f"Pictures of {height}x{width} allow {most + levels - squeezes} levels. "
            f"Received: image_shape={tuple(image_shape)}, levels={levels}."
        )


def pixels(image_shape, levels_per_channel, noise, seed):
    """The input, and the input scaled to [0, 1) with noise.

    noise="uniform" takes integers and adds noise of one bin, so that bits/dim
    are defined. noise="variational" learns the noise in the bin. noise="blog"
    takes floats in [0, 1] and adds the noise of the blog series, in training
    only. noise=None takes real numbers as they are.
    """
    if noise is None:
        x = keras.Input(image_shape, name="x")
        return x, x
    if noise in ("uniform", "variational"):
        dtype = "uint8" if levels_per_channel <= 256 else "int32"
        x = keras.Input(image_shape, dtype=dtype, name="x")
        if noise == "uniform":
            return x, Dequantize(levels_per_channel, seed=seed)(x)
        return x, learned_noise(image_shape, levels_per_channel, seed)(x)
    if noise == "blog":
        if levels_per_channel != 256:
            raise ValueError(
                "noise='blog' is for 256 levels; with fewer, noise is 'uniform'. "
                f"Received: levels_per_channel={levels_per_channel}."
            )
        x = keras.Input(image_shape, name="x")
        # The blog's pixels lie in [-1, 1], where this is U(0, 1/256).
        return x, UniformNoise(0.0, 1 / 512, seed=seed)(x)
    raise ValueError(
        f"noise is 'uniform', 'variational', 'blog' or None. Received: noise={noise!r}."
    )


def learned_noise(image_shape, levels_per_channel, seed, hidden=VARIATIONAL_HIDDEN):
    """Variational dequantization by an affine map and two couplings of squeezed noise."""
    height, width, channels = image_shape
    context = (height // 2, width // 2, hidden)
    steps = [CondActnorm()]
    for flip in (False, True):
        inputs = [keras.Input((*context[:2], 2 * channels)), keras.Input(context)]
        net = ConvNet(4 * channels, hidden)(keras.layers.Concatenate()(inputs))
        net = keras.Model(inputs, net)
        steps.append(Coupling(net, "affine", split="halves", flip=flip, scale="tanh"))
    convolution = {"filters": hidden, "kernel_size": 3, "padding": "same"}
    features = keras.Sequential(
        [keras.layers.Conv2D(**convolution, activation=act) for act in ("relu", "relu")]
    )
    return VariationalDequantize(steps, features, levels_per_channel, seed=seed)


def check_noise(noise):
    """`noise`, or a ValueError unless it is one that defines bits/dim."""
    if noise not in ("uniform", "variational"):
        raise ValueError(f"noise is 'uniform' or 'variational'. Received: noise={noise!r}.")
    return noise


def flat(parts):
    """All parts as one flat vector, in the same order."""
    vectors = [Reshape((math.prod(part.shape[1:]),))(part) for part in parts]
    return Concat()(vectors) if len(vectors) > 1 else vectors[0]
