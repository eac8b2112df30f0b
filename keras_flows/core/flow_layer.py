"""The contract of every flow layer, and `Inverse`."""

import math
import random

import keras
import numpy as np
from keras import ops

from keras_flows.core import remat
from keras_flows.core.ledger import record
from keras_flows.core.scope import current

PACKAGE = "keras_flows"
register = keras.saving.register_keras_serializable(package=PACKAGE)


@register
class FlowLayer(keras.layers.Layer):
    """Base of all invertible layers: z = f(x), with log|det dz/dx| a sample.

    A subclass writes `encode` (data to latent) and `decode` (latent to data);
    each returns its result and the log-determinant of its own direction, in
    nats: a tensor of shape `(batch,)`, a scalar where every sample has the
    same, or None where it is 0. Saving, inversion, `Flow` and plain
    `keras.Model` use follow from these two. A layer that maps a list of
    inputs may take conditions as its last inputs; `decode` then takes the
    outputs followed by the same conditions.

    Flow layers compute in the variable dtype of the global policy: under
    `mixed_bfloat16` the networks run in bfloat16 and the flow in float32.

    Example (a whole layer, with its inverse, densities and saving):

    >>> @keras.saving.register_keras_serializable("my_flows")
    ... class Sinh(keras_flows.layers.FlowLayer):
    ...     def encode(self, x):
    ...         return ops.arcsinh(x), -self.sum(0.5 * ops.log1p(x * x))
    ...     def decode(self, z):
    ...         return ops.sinh(z), self.sum(ops.log(ops.cosh(z)))
    """

    conditions = 0  # how many of the last inputs only condition the map
    passthrough = {}  # {input position: output position} of one and the same tensor
    volume_preserving = False  # whether the log-determinant is always 0
    updates_in_call = False  # whether a call assigns to weights, as moving averages
    integer_levels = None  # of a layer that takes integers from 0 on as data: how many there are
    joined_sizes = None  # of a layer that joins several tensors: the sizes of these

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
        """Whether there are activations inside that need not be kept."""
        return bool(self._layers)

    def _adapt_if_asked(self, inputs):
        if current().adapting:
            self.adapt(inputs)

    def adapt(self, inputs):
        """Data-dependent initialisation from one batch; most layers have none."""

    @property
    def needs_adapt(self):
        """Whether a data-dependent initialisation is still to come."""
        return False

    def inverse(self):
        """The layer of the other direction, over the same weights."""
        twin = getattr(self, "_twin", None)
        if twin is not None:
            return twin()
        twin = self._make_inverse()
        # A closure, so that neither Keras nor torch takes the twin for a child.
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
        """Sum over all axes but the batch: `(batch, ...)` to `(batch,)`."""
        return ops.sum(x, axis=tuple(range(1, len(x.shape))))


@register
class Inverse(FlowLayer):
    """The other direction of a flow layer: z = f^-1(x), sharing f's weights.

    Usually made by `layer.inverse()`. Inputs are the outputs of `layer`
    followed by its conditions. It holds the layer, so that a model made of
    inverses alone can be saved and loaded.

    Raises ValueError when it is called before a layer that changes shapes has
    been built: its input shape cannot be told from its output shape.
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
        # The shapes that a built layer insists on hold for its inverse.
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
        # Told by running the layer backwards on symbols.
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
    """`result`, what `layer.encode(inputs)` returned, or a ValueError that says what is wrong."""
    first = inputs[0] if isinstance(inputs, (list, tuple)) else inputs
    received = f"{type(result).__name__} {getattr(result, 'shape', '')}"
    if isinstance(result, (list, tuple)) and len(result) == 2:
        shape = getattr(result[1], "shape", ())  # of a number (), of a tensor of unknown rank None
        rank = getattr(shape, "rank", len(shape) if isinstance(shape, tuple) else None)
        if result[1] is None or rank in (0, None):
            return result
        if rank == 1 and (None in (shape[0], first.shape[0]) or shape[0] == first.shape[0]):
            return result
        received = f"a log_det of shape {tuple(shape)} for inputs of shape {tuple(first.shape)}"
    method, of = ("decode", layer.layer) if isinstance(layer, Inverse) else ("encode", layer)
    raise ValueError(
        f"`{method}` of '{of.name}' ({type(of).__name__}) must return a pair (outputs, log_det), "
        "with a log_det of shape (batch,), a scalar, or None where it is 0; `self.sum` adds up a "
        f"sample's numbers. Received: {received.strip()}."
    )


def serialize_shared(layer):
    """The config of an inner layer, marked so that a model that holds it twice loads it once."""
    return {**keras.saving.serialize_keras_object(layer), "shared_object_id": id(layer)}


def is_shape(shape):
    """Whether `shape` is one tensor's shape rather than a list of shapes."""
    return all(size is None or isinstance(size, int) for size in shape)


def fixed_last_axis(size):
    """For `input_spec`: a built layer then refuses another size instead of broadcasting it."""
    return keras.InputSpec(min_ndim=2, axes={-1: size})


def check_list(layer, shapes, count=None):
    """Raises a ValueError unless `shapes` are those of a list of (`count`) tensors."""
    if is_shape(shapes) or count not in (None, len(shapes)):
        raise ValueError(
            f"{type(layer).__name__} takes a list of {count or 'several'} tensors. "
            f"Received: {'one tensor of shape' if is_shape(shapes) else 'shapes'} {shapes}."
        )


def data_part(layer, inputs):
    """The inputs that the map transforms, without its conditions."""
    return list(inputs)[: len(inputs) - layer.conditions]


def numpy_generator(seed):
    """NumPy's generator of `seed`; without one it follows `keras.utils.set_random_seed`."""
    return np.random.default_rng(random.randrange(2**31) if seed is None else seed)


def positions(x):
    """How many vectors a sample of a `(batch, ..., channels)` tensor holds."""
    inner = x.shape[1:-1]
    if None in inner:
        return ops.cast(ops.prod(ops.shape(x)[1:-1]), x.dtype)
    return math.prod(inner)


def known_size(layer, shape, axis=-1):
    """The static size of an axis, or a ValueError."""
    if len(shape) < 2 or shape[axis] is None:
        raise ValueError(
            f"{type(layer).__name__} needs inputs of rank 2 or more whose axis {axis} is known. "
            f"Received: shape={tuple(shape)}."
        )
    return shape[axis]
