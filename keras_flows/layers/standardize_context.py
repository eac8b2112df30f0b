"""A fixed scaling of contexts to mean 0 and standard deviation 1."""

import keras
import numpy as np
from keras import ops

from keras_flows.core.flow_layer import register
from keras_flows.core.scope import current


@register
class StandardizeContext(keras.layers.Layer):
    """Fixed scaling of a context from data: (c - mean) / std for each column.

    An ordinary layer, not a flow layer: a context has no log-determinant.
    `flow.adapt([x, c])`, or the first `fit`, sets mean and std once; they are
    saved and never trained. Before that the layer is the identity. Columns
    with a standard deviation below `epsilon` are only shifted.

    Shapes: `(batch, columns)` to the same. Raises ValueError for data that is
    not finite.

    >>> c = StandardizeContext()(keras.Input((3,)))
    """

    def __init__(self, epsilon=1e-6, *, dtype=None, **kwargs):
        super().__init__(dtype=dtype or keras.config.dtype_policy().variable_dtype, **kwargs)
        self.epsilon = float(epsilon)

    def build(self, input_shape):
        options = {"shape": (input_shape[-1],), "trainable": False}
        self.mean = self.add_weight(name="mean", initializer="zeros", **options)
        self.std = self.add_weight(name="std", initializer="ones", **options)
        self.adapted = self.add_weight(
            name="adapted", shape=(), dtype="int32", initializer="zeros", trainable=False
        )

    @property
    def needs_adapt(self):
        return not (self.built and bool(ops.convert_to_numpy(self.adapted)))

    def adapt(self, context):
        """Sets mean and standard deviation from the rows, once: later calls change nothing."""
        if not self.built:
            self.build(context.shape)
        if not self.needs_adapt:
            return
        c = ops.cast(context, self.variable_dtype)
        mean, std = ops.mean(c, axis=0), ops.std(c, axis=0)
        if not np.all(np.isfinite(ops.convert_to_numpy(mean + std))):
            raise ValueError(
                f"'{self.name}' cannot be adapted to a context that is not finite. "
                f"Received: a context of shape {tuple(c.shape)}."
            )
        self.mean.assign(mean)
        self.std.assign(ops.where(std > self.epsilon, std, ops.ones_like(std)))
        self.adapted.assign(1)

    def call(self, context):
        if current().adapting:
            self.adapt(context)
        return (context - self.mean) / self.std

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}
