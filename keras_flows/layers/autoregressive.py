"""Masked autoregressive layers, whose inverses are inverse autoregressive layers."""

import keras
from keras import ops

from keras_flows.backend.native import loop
from keras_flows.core.flow_layer import FlowLayer, register, serialize_shared
from keras_flows.core.shapes import fixed_last_axis, is_shape
from keras_flows.layers.transforms import make_transform


@register
class MaskedAutoregressive(FlowLayer):
    """Masked autoregressive layer: z_i = f(x_i; params_i), params_i = net(x_1, ..., x_(i-1)).

    With "affine", z_i = (x_i - t_i) exp(s_i) and the log-det is sum(s), in
    nats. With "spline", z_i is a monotonic rational-quadratic spline of x_i
    and the log-det is the sum of its log slopes. `encode` evaluates the
    network once for all dimensions. `decode` computes one dimension after the
    other, in one compiled loop: with `MADE` the loop costs as much as one
    evaluation, with another network one evaluation for each dimension.
    `.inverse()` is the layer of inverse autoregressive flows: it has the same
    weights and is fast in the other direction.

    Args:
        net: `MADE(outputs)`, outputs 2 (affine) or 3 bins - 1 (spline), or
            any layer from `(batch, dims)`, or `[x, context]`, to `(batch, dims, outputs)`.
            The outputs for a dimension may depend only on the dimensions before
            it, in some order. Under a mixed policy the network should compute in
            float32, as `MADE` does: rounding in the decoding loop differs from
            that in a call.
        transform: "affine" or "spline".
        log_scale_bound: for affine, s = r / (1 + |r| / bound), so that rows
            unlike the training set do not explode.
        bins, tail_bound: for the spline, the number of bins in [-tail_bound,
            tail_bound]; outside it is the identity.

    Shapes: `(batch, dims)` to the same; with a context, a list `[x,
    context]`. Raises ValueError if the network has other outputs. Papers: MAF
    (1705.07057) section 3, IAF (1606.04934) section 3, Neural Spline Flows
    (1906.04032) section 3.

    >>> z = MaskedAutoregressive(MADE(2, hidden=(100, 100)))(x)
    """

    def __init__(
        self, net, transform="affine", log_scale_bound=5.0, bins=8, tail_bound=3.0, **kwargs
    ):
        super().__init__(**kwargs)
        if not isinstance(net, keras.layers.Layer):
            raise ValueError(f"net is a Keras layer or model. Received: net={net!r}.")
        self.net, self.transform = net, transform
        self.options = {"log_scale_bound": log_scale_bound, "bins": bins, "tail_bound": tail_bound}
        self.map = make_transform(transform, **self.options)

    def build(self, input_shape):
        shape, *context = [input_shape] if is_shape(input_shape) else input_shape
        self.conditions = len(context)
        if len(shape) != 2 or shape[-1] is None or len(context) > 1:
            raise ValueError(
                "MaskedAutoregressive takes vectors (batch, dims) of known size, or [vectors, "
                f"context]. Received: input_shape={input_shape}."
            )
        self.input_spec = fixed_last_axis(shape[-1])
        if context:
            self.input_spec = [self.input_spec, keras.InputSpec(ndim=len(context[0]))]
        symbols = [keras.KerasTensor(s, self.compute_dtype) for s in (shape, *context)]
        output_shape = tuple(self.net(symbols if context else symbols[0]).shape)
        expected = (shape[-1], self.map.outputs)
        self.net_shape = (None, self.map.outputs)
        if output_shape[1:] != expected:
            raise ValueError(
                f"The network of '{self.name}' ({self.transform}) must turn {shape} into "
                f"{(None, *expected)}. Received: a network with outputs of shape {output_shape}."
            )

    def _data_and_context(self, inputs):
        return inputs if self.conditions else (inputs, None)

    def _params(self, x, context):
        params = self.net(x if context is None else [x, context])
        return ops.cast(params, self.compute_dtype)

    def encode(self, x):
        x, context = self._data_and_context(x)
        z, log_slope = self.map.encode(x, self._params(x, context))
        return z, self.sum(log_slope)

    def decode(self, z):
        z, context = self._data_and_context(z)
        if hasattr(self.net, "sequential"):
            return self.net.sequential(z, self._decode_dimension, context)

        # After i rounds the first i dimensions are right, in whatever order the network has.
        def body(_, carry):
            x, log_slope = self.map.decode(z, self._params(carry[0], context))
            return x, log_slope

        x, log_slope = loop(z.shape[-1], body, (ops.zeros_like(z), ops.zeros_like(z)))
        return x, self.sum(log_slope)

    def _decode_dimension(self, z, params):
        return self.map.decode(z, ops.cast(params, self.compute_dtype))

    def get_config(self):
        net = serialize_shared(self.net)
        return {**super().get_config(), "net": net, "transform": self.transform, **self.options}

    @classmethod
    def from_config(cls, config):
        net = keras.saving.deserialize_keras_object(config.pop("net"))
        return cls(net, **config)
