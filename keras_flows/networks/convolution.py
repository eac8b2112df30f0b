"""Convolution by whatever is faster."""

import keras
from keras import layers, ops

from keras_flows.backend.devices import on_accelerator


def convolved(x, kernel, padding="same"):
    """`ops.conv` of pictures. Torch takes them as they lie, where Keras copies them twice."""
    if keras.backend.backend() != "torch":
        return ops.conv(x, kernel, padding=padding, data_format="channels_last")
    x = ops.transpose(x, (0, 3, 1, 2))
    y = ops.conv(x, kernel, padding=padding, data_format="channels_first")
    return ops.transpose(y, (0, 2, 3, 1))


class Convolution(layers.Conv2D):
    """Keras' own, computed as is faster.

    Narrow kernels in JAX on CPUs are products of matrices: XLA's convolutions of few
    channels to many, or of many to few, take up to three times as long, and inside a
    loop many times.
    """

    def build(self, input_shape):
        super().build(input_shape)
        size, _, few, many = self.kernel.shape
        few, many = sorted((few, many))
        self.as_products = (
            keras.backend.backend() == "jax"
            and not on_accelerator()
            and (size == 1 or size == 3 and 2 * few <= many)
        )

    def call(self, x):
        if self.as_products and None not in x.shape[1:]:
            y = self._products(x, ops.convert_to_tensor(self.kernel))
        else:
            y = convolved(x, self.kernel, self.padding)
        return self.activation(y + self.bias if self.use_bias else y)

    def _products(self, x, kernel):
        size, _, inputs, outputs = kernel.shape
        if size == 1:
            return _times(x, kernel[0, 0])
        pad = size // 2 if self.padding == "same" else 0
        around = [[0, 0], [pad, pad], [pad, pad], [0, 0]]
        if inputs <= outputs:
            columns = ops.concatenate(_windows(ops.pad(x, around), size), axis=-1)
            return _times(columns, ops.reshape(kernel, (-1, outputs)))
        kernel = ops.reshape(ops.transpose(kernel, (2, 0, 1, 3)), (inputs, -1))
        taps = ops.split(ops.pad(_times(x, kernel), around), size * size, axis=-1)
        return sum(_windows(tap, size)[i] for i, tap in enumerate(taps))


def _times(x, matrix):
    """x @ matrix as one product of two matrices."""
    y = ops.reshape(x, (-1, x.shape[-1])) @ matrix
    return ops.reshape(y, (-1, *x.shape[1:-1], matrix.shape[-1]))


def _windows(x, size):
    """The pictures that a kernel of this size sees from each of its places, row by row."""
    height, width = (side - size + 1 for side in x.shape[1:3])
    return [x[:, i : i + height, j : j + width] for i in range(size) for j in range(size)]
