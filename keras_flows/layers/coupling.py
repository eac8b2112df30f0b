"""Coupling layers: one half of the input shifts the other."""

import keras
from keras import ops

from keras_flows.layers.flow_layer import (
    FlowLayer,
    Ledger,
    check_list,
    known_size,
    register,
    serialize_shared,
)
from keras_flows.layers.split import Split, SplitVector


@register
class AddCouple(FlowLayer):
    """Additive coupling with a shift from outside: [x1, x2, m] -> [x1, x2 - m], log-det 0.

    `m` is any network's output for x1, in the functional style of the blog
    series. The inverse takes [z1, z2, m] and gives [z1, z2 + m]; `invert`
    evaluates the network again by itself. Shapes: three tensors, `m` of x2's
    shape; raises ValueError otherwise. Paper: NICE (1410.8516) section 3.2.

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
class Coupling(FlowLayer):
    """Coupling layer that owns its network: z = join(x1, x2 - net(x1)), log-det 0.

    Args:
        net: Keras layer or model from x1 to a tensor of x2's shape.
        mode: "additive".
        split: "interleaved" (even and odd positions of the last axis) or
            "halves" (first and second half).
        flip: whether the roles of the two parts are exchanged.

    Shapes: `(..., d)` to the same, d of 2 or more. Both directions cost one
    evaluation of the network. Raises ValueError if the network's output has
    not the shape of x2. Paper: NICE (1410.8516) section 3.2.

    >>> z = Coupling(keras.Sequential([Dense(64, "relu"), Dense(d // 2)]))(x)
    """

    volume_preserving = True

    def __init__(self, net, mode="additive", split="interleaved", flip=False, **kwargs):
        super().__init__(**kwargs)
        if mode != "additive":
            raise ValueError(f"mode is 'additive'. Received: mode={mode!r}.")
        if split not in ("interleaved", "halves"):
            raise ValueError(f"split is 'interleaved' or 'halves'. Received: split={split!r}.")
        if not isinstance(net, keras.layers.Layer):
            raise ValueError(f"net is a Keras layer or model. Received: net={net!r}.")
        self.net, self.mode, self.split, self.flip = net, mode, split, bool(flip)
        parts = {"interleaved": SplitVector, "halves": Split}[split]
        self._parts = parts(dtype=self.dtype_policy.name)

    def build(self, input_shape):
        if known_size(self, input_shape) < 2:
            raise ValueError(
                "Coupling needs two positions or more on the last axis. "
                f"Received: input_shape={tuple(input_shape)}."
            )
        first, second = self._ordered(self._parts.compute_output_shape(input_shape))
        given = tuple(self.net(keras.KerasTensor(first, self.compute_dtype)).shape)
        if given[1:] != tuple(second)[1:]:
            raise ValueError(
                f"The network of '{self.name}' must turn {first} into {second}. "
                f"Received: a network that gives {given}."
            )

    def _ordered(self, parts):
        return parts[::-1] if self.flip else parts

    def _shift(self, x1):
        # Whatever log-determinants the network's own layers have are none of the map's.
        with Ledger():
            return ops.cast(self.net(x1), self.compute_dtype)

    def _couple(self, x, sign):
        x1, x2 = self._ordered(self._parts.encode(x)[0])
        x2 = x2 + sign * self._shift(x1)
        return self._parts.decode(self._ordered([x1, x2]))[0], None

    def encode(self, x):
        return self._couple(x, -1.0)

    def decode(self, z):
        return self._couple(z, 1.0)

    def get_config(self):
        net = serialize_shared(self.net)
        own = {"net": net, "mode": self.mode, "split": self.split, "flip": self.flip}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config):
        net = keras.saving.deserialize_keras_object(config.pop("net"))
        return cls(net, **config)
