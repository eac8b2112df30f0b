"""Masks of MADE: which connections a masked network has."""

import keras
import numpy as np
from keras import ops

from keras_flows.core.seeds import numpy_generator


class MaskedDense(keras.layers.Layer):
    """A dense layer without some of its connections: y = x (kernel * mask) + bias."""

    def __init__(self, mask, kernel_initializer, **kwargs):
        super().__init__(**kwargs)
        self.mask_values = np.asarray(mask, "float32")
        self.kernel_initializer = kernel_initializer

    def build(self, input_shape):
        shape = self.mask_values.shape
        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer=self.kernel_initializer
        )
        self.bias = self.add_weight(name="bias", shape=shape[1:], initializer="zeros")
        self.mask = self.add_weight(
            name="mask",
            shape=shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(self.mask_values, dtype),
            trainable=False,
        )

    def masked(self):
        return ops.multiply(self.kernel, self.mask)

    def call(self, x):
        return x @ self.masked() + self.bias


def dimension_order(order, dims, seed):
    """The dimensions in an order by name, or as listed, as an array."""
    if isinstance(order, str):
        natural = np.arange(dims)
        if order == "random":
            return numpy_generator(seed).permutation(dims)
        return natural[::-1].copy() if order == "reversed" else natural
    if sorted(order) != list(range(dims)):
        raise ValueError(f"order must contain each of 0..{dims - 1} once. Received: order={order}.")
    return np.array(order)


def unit_degrees(width, dims, conditional):
    """The number of dimensions that each hidden unit sees.

    From 1 (0 with a context) to dims - 1, spread evenly over the units.
    """
    lowest = 0 if conditional else 1
    return lowest + np.arange(width) * max(1, dims - lowest) // width


def layer_masks(order, degrees, outputs):
    """The mask of each layer, for dimensions in this order and hidden units of these degrees.

    A unit sees the units before it of its degree or less. The outputs of a
    dimension see those of a lower degree than the dimension's place.
    """
    place = np.argsort(order) + 1
    degrees = [place, *degrees]
    masks = [b[None, :] >= a[:, None] for a, b in zip(degrees, degrees[1:])]
    masks.append(np.repeat(place[None, :] > degrees[-1][:, None], outputs, axis=1))
    return masks
