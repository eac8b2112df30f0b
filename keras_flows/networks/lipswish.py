"""An activation whose slopes are at most 1."""

import keras
from keras import layers, ops

from keras_flows.core.flow_layer import register


@register
class LipSwish(layers.Layer):
    """The activation x sigmoid(s x) / 1.1, s = softplus(beta) learned: slopes of at most 1.

    Its second derivative does not vanish where its slope is largest, so that the log-determinant
    has a gradient there. Shapes: any to the same. Paper: Residual Flows (1906.02735) section 3.3.

    >>> y = LipSwish()(x)
    """

    def __init__(self, *, dtype=None, **kwargs):
        super().__init__(dtype=dtype or keras.config.dtype_policy().variable_dtype, **kwargs)

    def build(self, input_shape):
        self.beta = self.add_weight(name="beta", shape=(), initializer=_half)

    def call(self, x):
        return lipswish(x, ops.softplus(ops.convert_to_tensor(self.beta)))

    def bound(self):
        """Its largest slope, 1.0998 / 1.1, rounded up."""
        return 1.0

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


def lipswish(x, s):
    """x sigmoid(s x) / 1.1 for a scalar s.

    On TensorFlow the slope is computed once, and not in each product of a power series.
    """
    if keras.backend.backend() == "tensorflow":
        return _with_slope(x, s)
    return x * ops.sigmoid(s * x) / 1.1


@ops.custom_gradient
def _with_slope(x, s):
    sigmoid = ops.sigmoid(s * x)
    y = x * sigmoid * (1 / 1.1)
    slope = sigmoid * (1 / 1.1) + s * y * (1 - sigmoid)

    def gradient(*args, upstream=None):
        upstream = args[0] if upstream is None else upstream
        return upstream * slope, ops.sum(upstream * x * y * (1 - sigmoid))

    return y, gradient


def _half(shape, dtype=None):
    return ops.full(shape, 0.5, dtype)
