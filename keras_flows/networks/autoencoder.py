"""The convolutional autoencoder of f-VAEs: squeezes and residual blocks."""

import math

import keras
from keras import layers

from keras_flows.layers.squeeze import Squeeze, UnSqueeze

NORMS = ("group", "batch", None)


def picture_encoder(image_shape, levels, blocks, norm="group", name="encoder"):
    """A model from pictures to latents with as many numbers: `levels` squeezes, each followed by
    `blocks` residual blocks.

    A block is x + Conv1x1(relu(norm(Conv3x3(x)))), as many channels throughout; the last
    convolution starts at 0, so that the model starts as its squeezes. Sums are computed in the
    variable dtype. Paper: f-VAEs (1809.05861) section 3.2.

    Shapes: `(batch, h, w, c)` to `(batch, h / 2**levels, w / 2**levels, c * 4**levels)`.

    >>> encoder = picture_encoder((64, 64, 3), levels=3, blocks=12)
    """
    x = h = keras.Input(image_shape)
    for _ in range(levels):
        h = _blocks(Squeeze()(h), blocks, norm)
    return keras.Model(x, h, name=name)


def picture_decoder(image_shape, levels, blocks, norm="group", activation=None, name="decoder"):
    """The mirror of `picture_encoder`: residual blocks, followed by the inverse squeeze.

    Args:
        activation: of the output, such as "tanh"; None for none.

    >>> decoder = picture_decoder((64, 64, 3), levels=3, blocks=12)
    """
    z = h = keras.Input(latent_shape(image_shape, levels))
    for _ in range(levels):
        h = UnSqueeze()(_blocks(h, blocks, norm))
    if activation is not None:
        h = layers.Activation(activation, dtype="float32")(h)
    return keras.Model(z, h, name=name)


def latent_shape(image_shape, levels):
    """The shape of the latents of pictures."""
    height, width, channels = image_shape
    return (height >> levels, width >> levels, channels * 4**levels)


def _blocks(h, blocks, norm):
    channels, dtype = h.shape[-1], keras.config.dtype_policy().variable_dtype
    for _ in range(blocks):
        y = layers.Conv2D(channels, 3, padding="same", use_bias=norm is None)(h)
        if norm == "group":
            y = layers.GroupNormalization(math.gcd(channels, 8))(y)
        elif norm == "batch":
            y = layers.BatchNormalization()(y)
        y = layers.Conv2D(channels, 1, kernel_initializer="zeros")(layers.ReLU()(y))
        h = layers.Add(dtype=dtype)([h, y])
    return h
