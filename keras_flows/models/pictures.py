"""What the builders for pictures share: pixels in, one flat latent out."""

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
    """The input and [0, 1) pictures of it.

    "uniform": integers with noise of one bin, so that bits/dim are defined;
    "blog": floats in [0, 1], with the blog series' noise, in training only.
    """
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
        # On [-1, 1], where the blog's pixels lie, this is U(0, 1/256).
        return x, UniformNoise(0.0, 1 / 512, seed=seed)(x)
    raise ValueError(f"noise is 'uniform' or 'blog'. Received: noise={noise!r}.")


def flat(parts):
    """One vector of all parts, in their order."""
    flat = [Reshape((math.prod(part.shape[1:]),))(part) for part in parts]
    return Concat()(flat) if len(flat) > 1 else flat[0]
