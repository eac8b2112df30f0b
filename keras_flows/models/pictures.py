"""Parts of the builders for pictures: the input with its noise, and one flat latent."""

import math

import keras

from keras_flows.layers import Concat, Dequantize, Reshape, UniformNoise
from keras_flows.models.sizes import check_image_shape, check_sizes


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
    are defined. noise="blog" takes floats in [0, 1] and adds the noise of the
    blog series, in training only. noise=None takes real numbers as they are.
    """
    if noise is None:
        x = keras.Input(image_shape, name="x")
        return x, x
    if noise == "uniform":
        dtype = "uint8" if levels_per_channel <= 256 else "int32"
        x = keras.Input(image_shape, dtype=dtype, name="x")
        return x, Dequantize(levels_per_channel, seed=seed)(x)
    if noise == "blog":
        if levels_per_channel != 256:
            raise ValueError(
                "noise='blog' is for 256 levels; with fewer, noise is 'uniform'. "
                f"Received: levels_per_channel={levels_per_channel}."
            )
        x = keras.Input(image_shape, name="x")
        # The blog's pixels lie in [-1, 1], where this is U(0, 1/256).
        return x, UniformNoise(0.0, 1 / 512, seed=seed)(x)
    raise ValueError(f"noise is 'uniform', 'blog' or None. Received: noise={noise!r}.")


def flat(parts):
    """All parts as one flat vector, in the same order."""
    vectors = [Reshape((math.prod(part.shape[1:]),))(part) for part in parts]
    return Concat()(vectors) if len(vectors) > 1 else vectors[0]
