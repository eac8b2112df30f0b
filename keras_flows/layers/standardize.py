"""A fixed scaling of the data to mean 0 and standard deviation 1."""

from keras import ops

from keras_flows.core.flow_layer import register
from keras_flows.core.shapes import positions
from keras_flows.layers.data_init import DataInit


@register
class Standardize(DataInit):
    """Fixed scaling from data: z = (x - mean) / std, log|det dz/dx| = -positions * sum(log std).

    For tables in any units: the layers behind see columns with mean 0 and
    standard deviation 1, and the density remains one in the units of the
    table. `adapt` computes mean and std once, from all its rows: the whole
    table in `flow.adapt(x_train)`, a batch in `fit`. They are saved and never
    trained. For columns with a standard deviation below `epsilon`, std is 1.

    Shapes: `(..., channels)` to the same; the log-det is a scalar in nats.

    >>> flow = MAF(6); flow.adapt(x_train); flow.compile("adam"); flow.fit(x_train)
    """

    def __init__(self, epsilon=1e-6, **kwargs):
        super().__init__(True, epsilon, **kwargs)

    def build(self, input_shape):
        super().build(input_shape)
        options = {"shape": (self.size,), "trainable": False}
        self.mean = self.add_weight(name="mean", initializer="zeros", **options)
        self.std = self.add_weight(name="std", initializer="ones", **options)

    def _set_moments(self, mean, std):
        self.mean.assign(mean)
        self.std.assign(std)

    def encode(self, x):
        return (x - self.mean) / self.std, -positions(x) * ops.sum(ops.log(self.std))

    def decode(self, z):
        return z * self.std + self.mean, positions(z) * ops.sum(ops.log(self.std))

    def get_config(self):
        config = super().get_config()
        del config["data_init"]
        return config
