"""Base of the layers that are initialised from their first batch."""

import warnings

import numpy as np
from keras import ops

from keras_flows.core.flow_layer import FlowLayer
from keras_flows.core.scope import current
from keras_flows.core.shapes import fixed_last_axis, known_size


class DataInit(FlowLayer):
    """Base of layers that take mean and standard deviation from a first batch, once.

    A `Flow` initialises them in `fit`. A plain `keras.Model` cannot: there
    they start as the identity, with a warning in the first training step,
    unless `keras_flows.adapt(model, x)` was called before. The weight
    `adapted` is saved, so that a loaded layer is not initialised again.

    A subclass writes `_set_moments(mean, std)`.
    """

    def __init__(self, data_init, epsilon, **kwargs):
        super().__init__(**kwargs)
        self.data_init, self.epsilon = bool(data_init), float(epsilon)
        # A copy of the flag, since weights have no values while a step is traced.
        self._known_adapted = not self.data_init

    def build(self, input_shape):
        self.size = known_size(self, input_shape)
        self.input_spec = fixed_last_axis(self.size)
        if self.data_init:
            self.adapted = self.add_weight(
                name="adapted", shape=(), dtype="int32", initializer="zeros", trainable=False
            )

    def call(self, inputs, training=None):
        if training and not self._known_adapted and not current().adapting:
            warnings.warn(
                f"{type(self).__name__} is trained before it was initialised from data: it starts "
                "as the identity. Call keras_flows.adapt(model, x) before fit, or, where the layer "
                "has data_init, set data_init=False to start as the identity.",
                stacklevel=2,
            )
        return super().call(inputs)

    @property
    def needs_adapt(self):
        if self.data_init and self.built:
            self._known_adapted = bool(ops.convert_to_numpy(self.adapted))
        return not self._known_adapted

    def load_own_variables(self, store):
        super().load_own_variables(store)
        self.needs_adapt  # noqa: B018  (reads the flag that was loaded)

    def adapt(self, inputs):
        """Initialises from one batch of inputs, once: later calls change nothing."""
        if not self.data_init:
            return
        if not self.built:
            self.build(inputs.shape)
        if not self.needs_adapt:
            return
        x = ops.cast(inputs, self.variable_dtype)
        axes = tuple(range(len(x.shape) - 1))
        mean, std = ops.mean(x, axis=axes), ops.std(x, axis=axes)
        not_finite = np.flatnonzero(~np.isfinite(ops.convert_to_numpy(mean + std)))
        if not_finite.size:
            raise ValueError(
                f"'{self.name}' cannot be adapted to data that is not finite. Received: shape "
                f"{tuple(x.shape)}, with {not_finite.size} channels not finite, the first at "
                f"position {not_finite[0]} of the last axis."
            )
        # The standard deviation of a constant channel is no scale: use 1.
        std = ops.where(std > self.epsilon, std, ops.ones_like(std))
        self._set_moments(mean, std)
        self.adapted.assign(1)
        self._known_adapted = True

    def get_config(self):
        return {**super().get_config(), "data_init": self.data_init, "epsilon": self.epsilon}
