"""A learned scaling."""

import keras
from keras import ops

from keras_flows.core.flow_layer import register
from keras_flows.core.shapes import positions
from keras_flows.layers.data_init import DataInit


@register
class Scale(DataInit):
    """Learned scaling: z = exp(f k) x, log|det dz/dx| = positions * f * sum(k).

    Args:
        initializer: initializer of k, which has shape `(1, channels)`.
        factor: f. Adam moves k by about its learning rate in each step,
            whatever the gradient; a factor above 1 lets the scale move faster.
        data_init: whether `adapt` sets f k to the negative log standard
            deviation of the first batch. Channels with a standard deviation
            below `epsilon` keep the scale 1. For data with nearly constant
            dimensions this saves the optimizer thousands of steps.

    Shapes: `(..., channels)` to the same; the log-det is a scalar in nats.
    Paper: NICE (1410.8516) section 3.3.

    >>> z = Scale()(x)
    """

    def __init__(
        self, initializer="glorot_normal", factor=1.0, data_init=False, epsilon=1e-6, **kwargs
    ):
        super().__init__(data_init, epsilon, **kwargs)
        if not factor > 0:
            raise ValueError(f"factor must be above 0. Received: factor={factor}.")
        self.initializer, self.factor = keras.initializers.get(initializer), float(factor)

    def build(self, input_shape):
        super().build(input_shape)
        self.kernel = self.add_weight(
            name="kernel", shape=(1, self.size), initializer=self.initializer
        )

    def _set_moments(self, mean, std):
        self.kernel.assign(-ops.log(std)[None] / self.factor)

    @property
    def log_scale(self):
        """f k, of shape `(1, channels)`."""
        return self.factor * self.kernel

    def encode(self, x):
        return x * ops.exp(self.log_scale), positions(x) * ops.sum(self.log_scale)

    def decode(self, z):
        return z * ops.exp(-self.log_scale), -positions(z) * ops.sum(self.log_scale)

    def get_config(self):
        initializer = keras.initializers.serialize(self.initializer)
        return {**super().get_config(), "initializer": initializer, "factor": self.factor}
