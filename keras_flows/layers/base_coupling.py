"""What all couplings share: a network of one part moves the other part."""

import math

import keras
from keras import ops

from keras_flows.core.flow_layer import FlowLayer, serialize_shared
from keras_flows.core.ledger import Ledger
from keras_flows.core.shapes import fixed_last_axis, is_shape
from keras_flows.layers.transforms import SplineTransform

SCALES = {
    "sigmoid": lambda raw: ops.log_sigmoid(raw + 2.0),
    "double_sigmoid": lambda raw: ops.log_sigmoid(raw) + math.log(2),
    "tanh": ops.tanh,
    "exp": lambda raw: raw,
}


class BaseCoupling(FlowLayer):
    """Base of couplings: z2 = (x2 - t) exp(s), with t and s from a network of x1.

    A subclass cuts the input into two parts and joins them again: `_cut`,
    `_join` and `_cut_shapes`, each with the part that moves last.
    """

    def __init__(self, net, mode, flip, scale, bins=8, tail_bound=3.0, **kwargs):
        super().__init__(**kwargs)
        for name, value, choices in (
            ("mode", mode, ("additive", "affine", "spline")),
            ("scale", scale, tuple(SCALES)),
        ):
            if value not in choices:
                raise ValueError(f"{name} is one of {choices}. Received: {name}={value!r}.")
        if not isinstance(net, keras.layers.Layer):
            raise ValueError(f"net is a Keras layer or model. Received: net={net!r}.")
        self.net, self.mode, self.scale, self.flip = net, mode, scale, bool(flip)
        self.bins, self.tail_bound = bins, tail_bound
        self.spline = SplineTransform(bins, tail_bound) if mode == "spline" else None
        self.volume_preserving = mode == "additive"

    @property
    def _outputs(self):
        """Outputs of the network for each number that moves."""
        return self.spline.outputs if self.spline else 1 if self.mode == "additive" else 2

    def build(self, input_shape):
        shape, *context = [input_shape] if is_shape(input_shape) else input_shape
        self.conditions = len(context)
        first, second = self._cut_shapes(tuple(shape))
        self.input_spec = self._data_spec(tuple(shape))
        if context:
            self.input_spec = [self.input_spec, *(keras.InputSpec(ndim=len(c)) for c in context)]
        self.net_shape = self._net_output_shape(first, *context)
        *sides, self.moving = second[1:]
        expected = (*sides, self.moving * self._outputs)
        if self.net_shape[1:] != expected:
            raise ValueError(
                f"The network of '{self.name}' ({self.mode}) must turn {first} into "
                f"{(None, *expected)}. Received: a network with outputs of shape {self.net_shape}."
            )
        if self.mode == "affine" and self.scale == "tanh":
            self.bound = self.add_weight(name="bound", shape=(self.moving,), initializer="ones")

    def _data_spec(self, shape):
        return fixed_last_axis(shape[-1])

    def _net_output_shape(self, *shapes):
        """The network's output shape for x1 and contexts of these shapes."""
        symbols = [keras.KerasTensor(shape, self.compute_dtype) for shape in shapes]
        try:
            return tuple(self.net(self._net_input(*symbols)).shape)
        except ValueError as error:
            raise ValueError(
                f"The network of '{self.name}' must take the part that stays, {shapes[0]}, and "
                f"{len(shapes) - 1} contexts. Received: shapes {shapes} and the error: {error}"
            ) from error

    def _ordered(self, parts):
        return parts[::-1] if self.flip else parts

    def _net_input(self, x1, *context):
        return [x1, *context] if context else x1

    def _params(self, x1, context):
        """t and s of the part that moves, s None where it is 0; all parameters of a spline."""
        # A ledger, because log-determinants of layers in the network do not belong to the map.
        with Ledger(Ledger.active()):
            params = ops.cast(self.net(self._net_input(x1, *context)), self.compute_dtype)
        if self.mode == "additive":
            return params, None
        if self.spline:
            shape = (*ops.shape(params)[:-1], self.moving, self.spline.outputs)
            return ops.reshape(params, shape)
        shift, raw = ops.split(params, 2, axis=-1)
        log_scale = SCALES[self.scale](raw)
        return shift, self.bound * log_scale if self.scale == "tanh" else log_scale

    def encode(self, x):
        x, *context = x if self.conditions else [x]
        x1, x2 = self._cut(x)
        return self._encode_parts(x1, x2, self._params(x1, context))

    def _encode_parts(self, x1, x2, params):
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
        return self._decode_parts(z1, z2, self._params(z1, context))

    def _decode_parts(self, z1, z2, params):
        if self.spline:
            x2, log_slope = self.spline.decode(z2, params)
            return self._join(z1, x2), self.sum(log_slope)
        shift, log_scale = params
        if log_scale is None:
            return self._join(z1, z2 + shift), None
        return self._join(z1, z2 * ops.exp(-log_scale) + shift), -self.sum(log_scale)

    def reencode(self, z, delta):
        """x = decode(z), and encode(x + delta), as `x, (z, log_det)`.

        For a backward pass that has only z: it takes gradients with respect to
        `delta`, which is 0, while x is constant. The network is evaluated once,
        since its input is the same in both directions.
        """
        (z1, z2), (delta1, delta2) = self._cut(z), self._cut(delta)
        params = self._params(z1 + delta1, [])
        x = ops.stop_gradient(self._decode_parts(z1, z2, params)[0])
        return x, self._encode_parts(z1 + delta1, self._cut(x)[1] + delta2, params)

    def get_config(self):
        return {
            **super().get_config(),
            "net": serialize_shared(self.net),
            "mode": self.mode,
            "flip": self.flip,
            "scale": self.scale,
            "bins": self.bins,
            "tail_bound": self.tail_bound,
        }

    @classmethod
    def from_config(cls, config):
        net = keras.saving.deserialize_keras_object(config.pop("net"))
        return cls(net, **config)
