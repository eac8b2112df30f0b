"""The contract of every flow layer, and `Inverse`."""

import keras
from keras import ops

from keras_flows.core import remat
from keras_flows.core.ledger import record
from keras_flows.core.scope import current
from keras_flows.core.shapes import data_part, is_shape

PACKAGE = "keras_flows"
register = keras.saving.register_keras_serializable(package=PACKAGE)


@register
class FlowLayer(keras.layers.Layer):
    """Base class of all invertible layers: z = f(x) and log|det dz/dx| of each sample.

    A subclass defines `encode` (data to latent) and `decode` (latent to data).
    Each returns a pair: its output, and the log-determinant of its direction
    in nats. The log-determinant is a tensor of shape `(batch,)`, a scalar if it
    is the same for all samples, or None if it is 0. Saving, inversion, and use
    in `Flow` and in a plain `keras.Model` follow from these two methods.

    A layer with a list of inputs may take conditions as its last inputs.
    `decode` then takes the outputs, followed by the same conditions.

    Flow layers compute in the variable dtype of the global policy: under
    `mixed_bfloat16` the networks run in bfloat16 and the flow in float32.

    Example, a complete layer:

    >>> @keras.saving.register_keras_serializable("my_flows")
    ... class Sinh(keras_flows.layers.FlowLayer):
    ...     def encode(self, x):
    ...         return ops.arcsinh(x), -self.sum(0.5 * ops.log1p(x * x))
    ...     def decode(self, z):
    ...         return ops.sinh(z), self.sum(ops.log(ops.cosh(z)))
    """

    conditions = 0  # number of inputs, the last ones, that are only conditions
    passthrough = {}  # {input position: output position} of tensors that are passed through
    volume_preserving = False  # whether the log-determinant is always 0
    updates_in_call = False  # whether a call assigns to weights, such as moving averages
    # What a layer tells the `Flow` that contains it, see docs/own_layer.md:
    integer_levels = None  # n if the data are integers from 0 to n - 1: there are bits/dim
    joined_sizes = None  # sizes of the tensors that the layer joins: the flow's latent_levels
    # Whether the log-det is log P(z) - log p(u) of integers z and a standard logistic latent u,
    # so that the flow's log_prob is a log probability. There is no Jacobian.
    logistic_latent = False
    keeps_integers = False  # with integer_levels: whether no noise is added to the integers

    def __init__(self, *, dtype=None, **kwargs):
        super().__init__(dtype=dtype or keras.config.dtype_policy().variable_dtype, **kwargs)

    def encode(self, x):
        """Data to latent: returns `(z, log|det dz/dx|)`."""
        raise NotImplementedError(f"{type(self).__name__} must define `encode(x)`.")

    def decode(self, z):
        """Latent to data: returns `(x, log|det dx/dz|)`."""
        raise NotImplementedError(f"{type(self).__name__} must define `decode(z)`.")

    def call(self, inputs):
        self._adapt_if_asked(inputs)
        outputs, log_det = check_result(self, remat.encode(self, inputs), inputs)
        if log_det is not None:
            record(self, ops.convert_to_tensor(log_det, self.variable_dtype))
        return outputs

    @property
    def has_networks(self):
        """Whether there are inner layers, whose activations `remat` need not keep."""
        return bool(self._layers)

    def _adapt_if_asked(self, inputs):
        if current().adapting:
            self.adapt(inputs)

    def adapt(self, inputs):
        """Data-dependent initialisation from one batch. Most layers have none."""

    @property
    def needs_adapt(self):
        """Whether the data-dependent initialisation has not been done yet."""
        return False

    def inverse(self):
        """The layer for the other direction, over the same weights."""
        twin = getattr(self, "_twin", None)
        if twin is not None:
            return twin()
        twin = self._make_inverse()
        # In a closure, so that Keras and torch do not track the twin as an inner layer.
        object.__setattr__(twin, "_twin", lambda: self)
        return twin

    def _make_inverse(self):
        return Inverse(self)

    def compute_output_shape(self, input_shape):
        if is_shape(input_shape):
            return tuple(input_shape)
        data = data_part(self, input_shape)
        return data[0] if len(data) == 1 else data

    @staticmethod
    def sum(x):
        """Sum over all axes but the batch axis: `(batch, ...)` to `(batch,)`."""
        return ops.sum(x, axis=tuple(range(1, len(x.shape))))


@register
class Inverse(FlowLayer):
    """The other direction of a flow layer f: z = f^-1(x), over f's weights.

    Usually made by `layer.inverse()`. Its inputs are the outputs of `layer`,
    followed by the conditions of `layer`. It contains the layer, so that a
    model of inverses can be saved and loaded.

    Raises ValueError if it is called before a layer that changes shapes has
    been built, because the layer's input shape is then unknown.

    >>> x = coupling.inverse()(z)
    """

    def __init__(self, layer, **kwargs):
        if not isinstance(layer, FlowLayer):
            raise ValueError(f"Inverse needs a FlowLayer. Received: {layer!r}.")
        kwargs.setdefault("dtype", layer.dtype_policy)
        super().__init__(**kwargs)
        self.layer = layer
        self.volume_preserving = layer.volume_preserving
        self.passthrough = {o: i for i, o in layer.passthrough.items()}

    def build(self, input_shape):
        if not self._keeps_shapes:
            self._check_built(input_shape)
            return
        if not self.layer.built:
            self.layer.build(input_shape)
        # A built layer's input spec holds for its inverse, too.
        self.input_spec = self.layer.input_spec

    @property
    def conditions(self):
        return self.layer.conditions

    @property
    def has_networks(self):
        return self.layer.has_networks

    @property
    def _keeps_shapes(self):
        return type(self.layer).compute_output_shape is FlowLayer.compute_output_shape

    def compute_output_spec(self, inputs):
        if self._keeps_shapes:
            return super().compute_output_spec(inputs)
        # Runs `decode` on symbolic tensors.
        return keras.Operation.compute_output_spec(self, inputs)

    def _check_built(self, input_shape):
        if not self.layer.built:
            raise ValueError(
                f"Cannot build the inverse of '{self.layer.name}' "
                f"({type(self.layer).__name__}) before the layer itself, because it changes "
                f"shapes: call or build the layer first. Received: input_shape={input_shape}."
            )

    def encode(self, x):
        return self.layer.decode(x)

    def decode(self, z):
        return self.layer.encode(z)

    def inverse(self):
        return self.layer

    def get_config(self):
        return {**super().get_config(), "layer": serialize_shared(self.layer)}

    @classmethod
    def from_config(cls, config):
        layer = keras.saving.deserialize_keras_object(config.pop("layer"))
        return cls(layer, **config)


def check_result(layer, result, inputs):
    """Returns `result`, the pair that `layer.encode(inputs)` returned, or raises a ValueError."""
    first = inputs[0] if isinstance(inputs, (list, tuple)) else inputs
    received = f"{type(result).__name__} {getattr(result, 'shape', '')}"
    if isinstance(result, (list, tuple)) and len(result) == 2:
        # A number has no shape; the shape of a tensor of unknown rank has no length.
        shape = getattr(result[1], "shape", ())
        rank = getattr(shape, "rank", len(shape) if isinstance(shape, tuple) else None)
        if result[1] is None or rank in (0, None):
            return result
        if rank == 1 and (None in (shape[0], first.shape[0]) or shape[0] == first.shape[0]):
            return result
        received = f"a log_det of shape {tuple(shape)} for inputs of shape {tuple(first.shape)}"
    method, of = ("decode", layer.layer) if isinstance(layer, Inverse) else ("encode", layer)
    raise ValueError(
        f"`{method}` of '{of.name}' ({type(of).__name__}) must return a pair (outputs, log_det), "
        "with a log_det of shape (batch,), a scalar, or None if it is 0. `self.sum` sums over all "
        f"axes but the batch axis. Received: {received.strip()}."
    )


def serialize_shared(layer):
    """The config of an inner layer. A layer that a model contains twice is loaded once."""
    return {**keras.saving.serialize_keras_object(layer), "shared_object_id": id(layer)}
