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
        return x * ops.sigmoid(ops.softplus(ops.convert_to_tensor(self.beta)) * x) / 1.1

    def bound(self):
        """Its largest slope, 1.0998 / 1.1, rounded up."""
        return 1.0

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


def _half(shape, dtype=None):
    return ops.full(shape, 0.5, dtype)
