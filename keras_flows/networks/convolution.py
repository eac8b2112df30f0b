"""Layers of convolutional networks: convolutions, weight normalisation, padding."""

import keras
from keras import layers, ops

from keras_flows.backend.devices import on_accelerator
from keras_flows.core.flow_layer import register


def convolved(x, kernel, padding="same"):
    """`ops.conv` of channels-last pictures; on torch without the two copies that Keras makes."""
    if keras.backend.backend() != "torch":
        return ops.conv(x, kernel, padding=padding, data_format="channels_last")
    x = ops.transpose(x, (0, 3, 1, 2))
    y = ops.conv(x, kernel, padding=padding, data_format="channels_first")
    return ops.transpose(y, (0, 2, 3, 1))


def contiguous(kernel):
    """The kernel, of which torch differentiates a convolution twice: in memory by outputs first."""
    if keras.backend.backend() != "torch":
        return kernel
    turned = ops.transpose(kernel, (3, 2, 0, 1))
    turned = ops.reshape(ops.reshape(turned, (-1,)), turned.shape)  # a copy
    return ops.transpose(turned, (2, 3, 1, 0))


class Convolution(layers.Conv2D):
    """`keras.layers.Conv2D`, computed in the way that is fastest.

    On JAX on CPUs, kernels from few channels to many or from many to few are computed as
    products of matrices: XLA's convolutions take up to three times as long, and many times as
    long inside a loop.
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
    """The picture shifted to each position of a kernel of this size, row by row."""
    height, width = (side - size + 1 for side in x.shape[1:3])
    return [x[:, i : i + height, j : j + width] for i in range(size) for j in range(size)]


@register
class WeightNormConv2D(layers.Layer):
    """Convolution with kernel = gain * v / |v|, one gain for each filter, and zero padding.

    Args:
        filters, size: output channels, side of the kernel.
        use_bias: whether there is a bias.
        l2: penalty on the gains.

    Paper: Salimans and Kingma (1602.07868) section 2.

    >>> y = WeightNormConv2D(64, 3)(x)
    """

    def __init__(self, filters, size, use_bias=True, l2=0.0, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.size = int(filters), int(size)
        self.use_bias, self.l2 = bool(use_bias), float(l2)

    def build(self, input_shape):
        shape = (self.size, self.size, input_shape[-1], self.filters)
        penalty = keras.regularizers.L2(self.l2) if self.l2 else None
        self.v = self.add_weight(name="v", shape=shape, initializer="glorot_uniform")
        self.gain = self.add_weight(
            name="gain", shape=(self.filters,), initializer="ones", regularizer=penalty
        )
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, x):
        v = ops.convert_to_tensor(self.v)
        kernel = v * (self.gain * ops.rsqrt(ops.sum(v * v, axis=(0, 1, 2)) + 1e-12))
        y = convolved(x, kernel)
        return y + self.bias if self.use_bias else y

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        config = {"filters": self.filters, "size": self.size}
        return {**super().get_config(), **config, "use_bias": self.use_bias, "l2": self.l2}


@register
class EdgePad(layers.Layer):
    """Pads pictures with `size` zeros and adds a channel that is 1 in the padding, 0 inside.

    `(batch, h, w, c)` to `(batch, h + 2 size, w + 2 size, c + 1)`. A following
    convolution can then tell the border from black pixels. As in Glow's code.

    >>> y = Conv2D(64, 3)(EdgePad(1)(x))
    """

    def __init__(self, size=1, **kwargs):
        super().__init__(**kwargs)
        self.size = int(size)

    def call(self, x):
        around = [[0, 0], [self.size, self.size], [self.size, self.size], [0, 0]]
        edge = ops.pad(ops.zeros_like(x[..., :1]), around, constant_values=1)
        return ops.concatenate([ops.pad(x, around), edge], axis=-1)

    def compute_output_shape(self, input_shape):
        batch, h, w, c = input_shape
        return (batch, h and h + 2 * self.size, w and w + 2 * self.size, c + 1)

    def get_config(self):
        return {**super().get_config(), "size": self.size}
