"""Couplings of two tensors, in the style of the blog series."""

import keras
from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register, serialize_shared
from keras_flows.core.ledger import Ledger
from keras_flows.core.shapes import check_list
from keras_flows.core.signatures import ByName


@register
class AddCouple(ByName, FlowLayer):
    """Additive coupling whose shift is an input: [x1, x2, m] -> [x1, x2 - m], log-det 0.

    `m` is the output of any network for x1, in the functional style of the
    blog series. The inverse maps [z1, z2, m] to [z1, z2 + m]; `invert`
    evaluates the network again. Shapes: three tensors, with `m` of x2's
    shape; ValueError otherwise. Paper: NICE (1410.8516) section 3.2.

    >>> x1, x2 = AddCouple()([x1, x2, network(x1)])
    """

    volume_preserving = True

    conditions = 1
    passthrough = {0: 0}

    def build(self, input_shape):
        check_list(self, input_shape, 3)
        if tuple(input_shape[1]) != tuple(input_shape[2]):
            raise ValueError(
                "AddCouple takes [x1, x2, shift] with the shift in the shape of x2. "
                f"Received: shapes {input_shape}."
            )

    def encode(self, x):
        x1, x2, shift = x
        return [x1, x2 - shift], None

    def decode(self, z):
        z1, z2, shift = z
        return [z1, z2 + shift], None


@register
class AffineCouple(ByName, FlowLayer):
    """Affine coupling whose t and s are inputs: [x1, x2, t, s] -> [x1, x2 exp(s) + t].

    log|det dz/dx| = sum(s), in nats; without s, for [x1, x2, t], it is 0. The
    inverse takes [z1, z2, t, s] or [z1, z2, t]. Shapes: t and s have x2's
    shape; ValueError otherwise. This is the layer of the blog series, which
    adds its shift; `AddCouple` subtracts it. Paper: RealNVP (1605.08803)
    section 3.2.

    >>> x1, x2 = AffineCouple()([x1, x2, shift_net(x1), log_scale_net(x1)])
    """

    passthrough = {0: 0}
    conditions = 2

    def build(self, input_shape):
        check_list(self, input_shape)
        shapes = [tuple(shape) for shape in input_shape]
        if len(shapes) not in (3, 4) or len(set(shapes[1:])) > 1:
            raise ValueError(
                "AffineCouple takes [x1, x2, shift] or [x1, x2, shift, log_scale], the last ones "
                f"in the shape of x2. Received: shapes {input_shape}."
            )
        self.conditions = len(shapes) - 2
        self.input_spec = [keras.InputSpec(ndim=len(shape)) for shape in shapes]

    def encode(self, x):
        x1, x2, shift, *log_scale = x
        if not log_scale:
            return [x1, x2 + shift], None
        return [x1, x2 * ops.exp(log_scale[0]) + shift], self.sum(log_scale[0])

    def decode(self, z):
        z1, z2, shift, *log_scale = z
        if not log_scale:
            return [z1, z2 - shift], None
        return [z1, (z2 - shift) * ops.exp(-log_scale[0])], -self.sum(log_scale[0])


@register
class CoupleWrapper(ByName, FlowLayer):
    """Coupling of two tensors with its networks: [x1, x2] -> [x1, x2 exp(s(x1)) + t(x1)].

    log|det dz/dx| = sum(s(x1)), in nats. This is the layer of the blog series'
    Glow, used between `Split` and `Concat`; `Coupling(net)` does all three and
    has one network for t and s.

    Args:
        shift_model: Keras layer or model t from x1 to x2's shape.
        log_scale_model: the same for s; None for s = 0, with log-det 0.

    Shapes: two tensors to the same. Raises ValueError if the output of a
    network does not have x2's shape. Paper: RealNVP (1605.08803) section 3.2.

    >>> x1, x2 = Split()(x)
    >>> x = Concat()(CoupleWrapper(network)([x1, x2]))
    """

    passthrough = {0: 0}

    def __init__(self, shift_model, log_scale_model=None, **kwargs):
        super().__init__(**kwargs)
        for name, model in (("shift_model", shift_model), ("log_scale_model", log_scale_model)):
            optional = model is None and name == "log_scale_model"
            if not isinstance(model, keras.layers.Layer) and not optional:
                raise ValueError(f"{name} is a Keras layer or model. Received: {name}={model!r}.")
        self.shift_model, self.log_scale_model = shift_model, log_scale_model
        self.volume_preserving = log_scale_model is None
        self._couple = AffineCouple(dtype=self.dtype_policy.name)

    @property
    def _models(self):
        return [m for m in (self.shift_model, self.log_scale_model) if m is not None]

    def build(self, input_shape):
        check_list(self, input_shape, 2)
        first, second = (tuple(shape) for shape in input_shape)
        self.input_spec = [keras.InputSpec(shape=(None, *shape[1:])) for shape in (first, second)]
        for model in self._models:
            output_shape = tuple(model(keras.KerasTensor(first, self.compute_dtype)).shape)
            if output_shape[1:] != second[1:]:
                raise ValueError(
                    f"The networks of '{self.name}' must turn {first} into {second}. "
                    f"Received: '{model.name}' with outputs of shape {output_shape}."
                )

    def _params(self, x1):
        # A ledger, because log-determinants of layers in the networks do not belong to the map.
        with Ledger(Ledger.active()):
            return [ops.cast(model(x1), self.compute_dtype) for model in self._models]

    def encode(self, x):
        x1, x2 = x
        return self._couple.encode([x1, x2, *self._params(x1)])

    def decode(self, z):
        z1, z2 = z
        return self._couple.decode([z1, z2, *self._params(z1)])

    def get_config(self):
        models = {"shift_model": self.shift_model, "log_scale_model": self.log_scale_model}
        serialized = {k: v and serialize_shared(v) for k, v in models.items()}
        return {**super().get_config(), **serialized}

    @classmethod
    def from_config(cls, config):
        models = {name: config.pop(name) for name in ("shift_model", "log_scale_model")}
        load = keras.saving.deserialize_keras_object
        return cls(**{k: v and load(v) for k, v in models.items()}, **config)
