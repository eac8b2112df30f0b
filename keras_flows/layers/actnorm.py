"""Activation normalisation."""

from keras import ops

from keras_flows.core.flow_layer import register
from keras_flows.core.shapes import positions
from keras_flows.core.signatures import ByName
from keras_flows.layers.data_init import DataInit


@register
class Actnorm(ByName, DataInit):
    """Activation normalisation: z = exp(k) x + b, log|det dz/dx| = positions * sum(k).

    Args:
        use_shift: whether there is a shift b.
        data_init: whether `adapt` gives the channels of the first batch mean 0
            (with `use_shift`) and standard deviation 1. Channels with a
            standard deviation below `epsilon` keep the scale 1. Without
            `adapt`, or with `data_init=False`, the layer starts as the identity.

    Arguments are passed by name: by position they mean `isinverse, use_shift`
    in the layer of the blog series. Shapes: `(..., channels)` to the same; the
    log-det is a scalar in nats. The layer is initialised once, and a saved
    flag says so. Paper: Glow (1807.03039) section 3.1.

    >>> norm = Actnorm(); norm.adapt(first_batch); z = norm(x)
    """

    def __init__(self, *, use_shift=True, data_init=True, epsilon=1e-6, **kwargs):
        super().__init__(data_init, epsilon, **kwargs)
        self.use_shift = bool(use_shift)

    def build(self, input_shape):
        super().build(input_shape)
        self.kernel = self.add_weight(name="kernel", shape=(self.size,), initializer="zeros")
        self.bias = None
        if self.use_shift:
            self.bias = self.add_weight(name="bias", shape=(self.size,), initializer="zeros")

    def _set_moments(self, mean, std):
        self.kernel.assign(-ops.log(std))
        if self.use_shift:
            self.bias.assign(-mean / std)

    def encode(self, x):
        z = x * ops.exp(self.kernel)
        return (z + self.bias if self.use_shift else z), positions(x) * ops.sum(self.kernel)

    def decode(self, z):
        z = z - self.bias if self.use_shift else z
        return z * ops.exp(-self.kernel), -positions(z) * ops.sum(self.kernel)

    def get_config(self):
        return {**super().get_config(), "use_shift": self.use_shift}
