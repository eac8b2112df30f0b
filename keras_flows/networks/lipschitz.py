"""Dense and convolution layers whose operator norm is held below a bound, and activations."""

import zlib

import keras
import numpy as np
from keras import layers, ops

from keras_flows.backend.native import vjp
from keras_flows.core.flow_layer import register
from keras_flows.core.prepared import prepared
from keras_flows.core.shapes import known_size
from keras_flows.networks import norms
from keras_flows.networks.convolution import contiguous, convolved


class Normed(layers.Layer):
    """What layers of a bounded norm share: y = A x + b with |A| <= coefficient.

    A is the kernel divided by max(1, norm / coefficient); the norm comes from a pair of vectors,
    weights that do not train: norm = <left, kernel right>. They follow the kernel by one step of
    power iteration in each training step (`iterate`), and exactly by `refresh`. Computes in the
    variable dtype, also under a mixed policy: what is inverted must not be rounded.
    """

    def __init__(
        self,
        coefficient=0.97,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        *,
        dtype=None,
        **kwargs,
    ):
        super().__init__(dtype=dtype or keras.config.dtype_policy().variable_dtype, **kwargs)
        if not 0 < coefficient <= 1:
            raise ValueError(f"coefficient lies in (0, 1]. Received: coefficient={coefficient}.")
        self.coefficient, self.use_bias = float(coefficient), bool(use_bias)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self._fresh = None

    def _build(self, kernel, left, right):
        """Weights: the kernel's shape, and those of the vectors of its norm."""
        self.kernel = self.add_weight(
            name="kernel", shape=kernel, initializer=self.kernel_initializer
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=kernel[-1:], initializer="zeros")
        self.left, self.right = (
            self.add_weight(
                name=name, shape=shape, initializer=_unit, trainable=False, aggregation="mean"
            )
            for name, shape in (("left", left), ("right", right))
        )

    def prepare(self, method, kernel, left, right, **_):
        """The normalised kernel."""
        left, right = ops.stop_gradient(left), ops.stop_gradient(right)
        norm = ops.sum(left * self._apply(right[None], kernel)[0])
        return kernel / ops.maximum(norm / self.coefficient, 1.0)

    def call(self, x):
        y = self._apply(x, prepared(self, "call"))
        return y if self.bias is None else y + self.bias

    def iterate(self):
        """One step of power iteration."""
        kernel = ops.stop_gradient(ops.convert_to_tensor(self.kernel))
        right = ops.convert_to_tensor(self.right)[None]
        left = _scaled(self._apply(right, kernel), ops.convert_to_tensor(self.left)[None])
        _, (back,) = vjp(lambda x: self._apply(x, kernel), [right], left)
        self.left.assign(left[0])
        self.right.assign(_scaled(back, right)[0])

    def is_stale(self):
        """Whether the kernel is another one than at the last `refresh`."""
        return self._fresh != self._state()

    def refresh(self):
        """Vectors that are exact, of a convolution nearly so, for the kernel as it is."""
        if not self.is_stale():
            return
        _, left, right = self._numpy_norm(self._array(self.kernel), self._array(self.right))
        self.left.assign(left)
        self.right.assign(right)
        self._fresh = self._state()

    def bound(self):
        """A certified bound on the norm of this layer, from above."""
        kernel, left, right = map(self._array, (self.kernel, self.left, self.right))
        norm = float(np.sum(left * self._numpy_apply(right, kernel)))
        return self._numpy_bound(kernel) / max(norm / self.coefficient, 1.0) * norms.SLACK

    def _state(self):
        arrays = (ops.convert_to_numpy(v) for v in (self.kernel, self.left, self.right))
        return [zlib.crc32(np.ascontiguousarray(a)) for a in arrays]

    @staticmethod
    def _array(variable):
        return ops.convert_to_numpy(variable).astype("float64")

    def get_config(self):
        return {
            **super().get_config(),
            "coefficient": self.coefficient,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@register
class LipschitzDense(Normed):
    """A dense layer whose largest singular value is at most `coefficient`.

    Args:
        units: numbers that come out.
        coefficient: bound on the norm, in (0, 1].
        use_bias: whether a bias is added.
        kernel_initializer: a Keras initializer.

    Shapes: `(..., inputs)` to `(..., units)`. `bound()` is exact, from singular values. Raises
    ValueError for sizes below 1 and coefficients outside (0, 1]. Paper: i-ResNet (1811.00995)
    section 2.1.

    >>> net = keras.Sequential([LipschitzDense(64), LipSwish(), LipschitzDense(2)])
    """

    def __init__(self, units, coefficient=0.97, **kwargs):
        super().__init__(coefficient, **kwargs)
        if units < 1:
            raise ValueError(f"units must be 1 or more. Received: units={units}.")
        self.units = int(units)

    def build(self, input_shape):
        size = known_size(self, input_shape)
        self._build((size, self.units), (self.units,), (size,))

    def _apply(self, x, kernel):
        return x @ kernel

    _numpy_apply = staticmethod(np.matmul)

    def _numpy_norm(self, kernel, right):
        return norms.dense_norm(kernel)

    def _numpy_bound(self, kernel):
        return norms.dense_norm(kernel)[0]

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@register
class LipschitzConv2D(Normed):
    """A zero-padded convolution whose operator norm is held at `coefficient`.

    The norm is that of the map of whole pictures, by power iteration on feature maps, and not
    that of the kernel as a matrix, which `keras.layers.SpectralNormalization` takes and which
    does not bound it.

    Args:
        filters: channels that come out.
        kernel_size: sides of the kernel, an integer; 1 is a dense layer of the channels.
        coefficient: what the norm is held at, in (0, 1]. Power iteration approaches the norm
            from below, so that the true one may be a little larger: see `bound()`.
        use_bias, kernel_initializer: as in `LipschitzDense`.

    Shapes: `(batch, height, width, channels)` to the same sides, which must be known. `bound()`
    is certified from above, by the FFT on the padded grid. Papers: i-ResNet (1811.00995) section
    2.1 and appendix D; Sedghi et al. (1805.10408) theorem 6.

    >>> y = LipschitzConv2D(32, 3, coefficient=0.9)(pictures)
    """

    def __init__(self, filters, kernel_size=3, coefficient=0.97, **kwargs):
        super().__init__(coefficient, **kwargs)
        if min(filters, kernel_size) < 1:
            raise ValueError(
                "LipschitzConv2D needs filters and kernel_size of 1 or more. "
                f"Received: filters={filters}, kernel_size={kernel_size}."
            )
        self.filters, self.kernel_size = int(filters), int(kernel_size)

    def build(self, input_shape):
        if len(input_shape) != 4 or None in input_shape[1:]:
            raise ValueError(
                "LipschitzConv2D takes pictures (batch, height, width, channels) of known sides. "
                f"Received: input_shape={tuple(input_shape)}."
            )
        *self.sides, channels = input_shape[1:]
        size = self.kernel_size
        # A 1x1 convolution is a matrix: its norm needs no feature maps.
        maps = [] if size == 1 else self.sides
        self._build((size, size, channels, self.filters), (*maps, self.filters), (*maps, channels))
        self.input_spec = keras.InputSpec(shape=(None, *input_shape[1:]))

    def _apply(self, x, kernel):
        if self.kernel_size == 1:
            return x @ kernel[0, 0]
        if self.kernel_size % 2:
            return convolved(x, contiguous(kernel), "same")
        before, after = norms.padding(self.kernel_size)
        x = ops.pad(x, [[0, 0], [before, after], [before, after], [0, 0]])
        return convolved(x, contiguous(kernel), "valid")

    def _numpy_apply(self, x, kernel):
        return x @ kernel[0, 0] if self.kernel_size == 1 else norms.convolve(x, kernel)

    def _numpy_norm(self, kernel, right):
        return norms.conv_norm(kernel, right)

    def _numpy_bound(self, kernel):
        return norms.conv_bound(kernel, self.sides)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
        }


def _unit(shape, dtype=None):
    x = keras.random.normal(shape, dtype=dtype)
    return x / ops.sqrt(ops.sum(ops.square(x)))


def _scaled(x, otherwise):
    """x at norm 1, or `otherwise` where it is 0."""
    norm = ops.sqrt(ops.sum(ops.square(x)))
    return ops.where(norm > 0, x / ops.where(norm > 0, norm, 1.0), otherwise)
