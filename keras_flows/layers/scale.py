"""Elementwise affine layers along the last axis: Scale, Actnorm, Standardize."""

import warnings

import keras
import numpy as np
from keras import ops

from keras_flows.core.flow_layer import FlowLayer, fixed_last_axis, known_size, positions, register
from keras_flows.core.ledger import is_adapting
from keras_flows.core.signatures import ByName


class DataInit(FlowLayer):
    """What layers initialised from a first batch share: the batch's moments and the flag.

    A `Flow` initialises them in `fit`. A plain `keras.Model` cannot: there
    they start as the identity, with a warning in the first training step,
    unless `keras_flows.adapt(model, x)` was called.
    """

    def __init__(self, data_init, epsilon, **kwargs):
        super().__init__(**kwargs)
        self.data_init, self.epsilon = bool(data_init), float(epsilon)
        self._known_adapted = not self.data_init  # while a step is traced, weights have no values

    def build(self, input_shape):
        self.size = known_size(self, input_shape)
        self.input_spec = fixed_last_axis(self.size)
        if self.data_init:
            self.adapted = self.add_weight(
                name="adapted", shape=(), dtype="int32", initializer="zeros", trainable=False
            )

    def call(self, inputs, training=None):
        if training and not self._known_adapted and not is_adapting():
            warnings.warn(
                f"{type(self).__name__} is trained before it was initialised from data: it starts "
                "as the identity. Call keras_flows.adapt(model, x) before fit; where the layer has "
                "data_init, data_init=False asks for this start.",
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
        broken = np.flatnonzero(~np.isfinite(ops.convert_to_numpy(mean + std)))
        if broken.size:
            raise ValueError(
                f"'{self.name}' cannot be adapted to data that is not finite. Received: shape "
                f"{tuple(x.shape)}, with {broken.size} channels not finite, the first at "
                f"position {broken[0]} of the last axis."
            )
        # A constant channel says nothing about its scale: leave it at 1.
        std = ops.where(std > self.epsilon, std, ops.ones_like(std))
        self._set_moments(mean, std)
        self.adapted.assign(1)
        self._known_adapted = True

    def get_config(self):
        return {**super().get_config(), "data_init": self.data_init, "epsilon": self.epsilon}


@register
class Scale(DataInit):
    """Learned scaling: z = exp(f k) x, log|det dz/dx| = positions * f * sum(k).

    Args:
        initializer: of k, shape `(1, channels)`.
        factor: f. Adam moves k by about its learning rate a step, whatever
            the gradient; a factor above 1 lets the scale move faster.
        data_init: whether `adapt` sets k to the negative log standard
            deviation, over f, of its first batch (channels with less than `epsilon`
            keep 1). Where data has nearly constant dimensions this spares the
            optimiser thousands of steps.

    Shapes: `(..., channels)` to the same; one factor a channel. A log-det is
    a scalar in nats. Paper: NICE (1410.8516) section 3.3.

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


@register
class Actnorm(ByName, DataInit):
    """Activation normalisation: z = exp(k) x + b, log|det dz/dx| = positions * sum(k).

    Args:
        use_shift: whether there is a shift b.
        data_init: whether `adapt` makes the first batch's channels of mean 0
            (with `use_shift`) and standard deviation 1; channels with a
            standard deviation below `epsilon` keep the scale 1. Without
            `adapt`, or with `data_init=False`, the layer starts as the identity.

    Arguments go by name: by position they would mean `isinverse, use_shift`
    in the blog series' layer. Shapes: `(..., channels)` to the same; a log-det is a scalar in nats.
    Initialised once: the flag is saved. Paper: Glow (1807.03039) section 3.1.

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


@register
class Standardize(DataInit):
    """Fixed scaling from data: z = (x - mean) / std, log|det dz/dx| = -positions * sum(log std).

    For tables in units of their own: the flow behind it sees columns of mean 0
    and standard deviation 1, and its density stays one in the table's units.
    `adapt` takes mean and std, once, from all rows it is given (`fit` gives
    it a batch; `flow.adapt(x_train)` the whole table); they are saved and
    never trained. Columns with a standard deviation below `epsilon` keep 1.

    Shapes: `(..., channels)` to the same; a log-det is a scalar in nats.

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
