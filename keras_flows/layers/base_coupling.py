"""What all couplings share: a network of one part moves the other part."""

import math

import keras
from keras import ops

from keras_flows.core.flow_layer import FlowLayer, fixed_last_axis, is_shape, serialize_shared
from keras_flows.core.ledger import Ledger
from keras_flows.layers.transforms import SplineTransform

SCALES = {
    "sigmoid": lambda raw: ops.log_sigmoid(raw + 2.0),
    "double_sigmoid": lambda raw: ops.log_sigmoid(raw) + math.log(2),
    "tanh": ops.tanh,
    "exp": lambda raw: raw,
}


class BaseCoupling(FlowLayer):
    """What couplings share: z2 = (x2 - t) exp(s), with t and s from a network of x1.

    A subclass cuts inputs in two parts and joins them again: `_cut`, `_join`
    and `_cut_shapes`, each with the moved part last.
    """

    def __init__(self, net, mode, flip, scale, bins=8, tail_bound=3.0, **kwargs):
        super().__init__(**kwargs)
        for name, value, known in (
            ("mode", mode, ("additive", "affine", "spline")),
            ("scale", scale, tuple(SCALES)),
        ):
            if value not in known:
                raise ValueError(f"{name} is one of {known}. Received: {name}={value!r}.")
        if not isinstance(net, keras.layers.Layer):
            raise ValueError(f"net is a Keras layer or model. Received: net={net!r}.")
        self.net, self.mode, self.scale, self.flip = net, mode, scale, bool(flip)
        self.bins, self.tail_bound = bins, tail_bound
        self.spline = SplineTransform(bins, tail_bound) if mode == "spline" else None
        self.volume_preserving = mode == "additive"

    @property
    def _outputs(self):
        """Numbers that the network gives for each that moves."""
        return self.spline.outputs if self.spline else 1 if self.mode == "additive" else 2

    def build(self, input_shape):
        shape, *context = [input_shape] if is_shape(input_shape) else input_shape
        self.conditions = len(context)
        first, second = self._cut_shapes(tuple(shape))
        self.input_spec = self._spec(tuple(shape))
        if context:
            self.input_spec = [self.input_spec, *(keras.InputSpec(ndim=len(c)) for c in context)]
        self.net_shape = given = self._given(first, *context)
        *sides, self.moved = second[1:]
        wanted = (*sides, self.moved * self._outputs)
        if given[1:] != wanted:
            raise ValueError(
                f"The network of '{self.name}' ({self.mode}) must turn {first} into "
                f"{(None, *wanted)}. Received: a network that gives {given}."
            )
        if self.mode == "affine" and self.scale == "tanh":
            self.bound = self.add_weight(name="bound", shape=(self.moved,), initializer="ones")

    def _spec(self, shape):
        return fixed_last_axis(shape[-1])

    def _given(self, *shapes):
        """The shape of what the network makes of x1 and contexts of these shapes."""
        symbols = [keras.KerasTensor(shape, self.compute_dtype) for shape in shapes]
        try:
            return tuple(self.net(self._net_input(*symbols)).shape)
        except ValueError as error:
            raise ValueError(
                f"The network of '{self.name}' must take the part that stays, {shapes[0]}, and "
                f"{len(shapes) - 1} contexts. Received: {shapes}, of which it says: {error}"
            ) from error

    def _ordered(self, parts):
        return parts[::-1] if self.flip else parts

    def _net_input(self, x1, *context):
        return [x1, *context] if context else x1

    def _params(self, x1, context):
        """t and s for the other part, s None where it is 0; of a spline all parameters."""
        # Whatever log-determinants the network's own layers have are none of the map's.
        with Ledger(Ledger.active()):
            params = ops.cast(self.net(self._net_input(x1, *context)), self.compute_dtype)
        if self.mode == "additive":
            return params, None
        if self.spline:
            shape = (*ops.shape(params)[:-1], self.moved, self.spline.outputs)
            return ops.reshape(params, shape)
        shift, raw = ops.split(params, 2, axis=-1)
        log_scale = SCALES[self.scale](raw)
        return shift, self.bound * log_scale if self.scale == "tanh" else log_scale

    def encode(self, x):
        x, *context = x if self.conditions else [x]
        x1, x2 = self._cut(x)
        return self._moved(x1, x2, self._params(x1, context))

    def _moved(self, x1, x2, params):
        if self.spline:
            z2, log_slope = self.spline.encode(x2, params)
            return self._join(x1, z2), self.sum(log_slope)
        shift, log_scale = params
        if log_scale is None:
            return self._join(x1, x2 - shift), None
        return self._join(x1, (x2 - shift) * ops.exp(log_scale)), self.sum(log_scale)

    def decode(self, z):
        z, *context = z if self.conditions else [z]
        z1, z2 = self._cut(z)
        return self._moved_back(z1, z2, self._params(z1, context))

    def _moved_back(self, z1, z2, params):
        if self.spline:
            x2, log_slope = self.spline.decode(z2, params)
            return self._join(z1, x2), self.sum(log_slope)
        shift, log_scale = params
        if log_scale is None:
            return self._join(z1, z2 + shift), None
        return self._join(z1, z2 * ops.exp(-log_scale) + shift), -self.sum(log_scale)

    def reencode(self, z, moved):
        """x = decode(z), and what `encode` gives of x + moved: `x, (z, log_det)`.

        For a backward pass that has only z, and takes gradients for `moved`, which is 0: with one
        evaluation of the network, which sees the same in both directions. x is constant there.
        """
        (z1, z2), (moved1, moved2) = self._cut(z), self._cut(moved)
        params = self._params(z1 + moved1, [])
        x = ops.stop_gradient(self._moved_back(z1, z2, params)[0])
        return x, self._moved(z1 + moved1, self._cut(x)[1] + moved2, params)

    def get_config(self):
        net = serialize_shared(self.net)
        own = {"net": net, "mode": self.mode, "flip": self.flip, "scale": self.scale}
        spline = {"bins": self.bins, "tail_bound": self.tail_bound}
        return {**super().get_config(), **own, **spline}

    @classmethod
    def from_config(cls, config):
        net = keras.saving.deserialize_keras_object(config.pop("net"))
        return cls(net, **config)
