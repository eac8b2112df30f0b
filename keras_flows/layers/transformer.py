"""Autoregressive layers over tokens, with causal transformers."""

import keras
from keras import ops

from keras_flows.backend.autodiff import loop
from keras_flows.core.flow_layer import FlowLayer, is_shape, register
from keras_flows.core.ledger import record
from keras_flows.layers.transforms import AffineTransform
from keras_flows.transformers.transformer import CausalTransformer


@register
class TransformerAutoregressive(FlowLayer):
    """Autoregressive layer over tokens: z_i = (x_i - t_i) exp(s_i), by x_1 ... x_(i-1).

    t and s come from a `CausalTransformer` and are 0 at the start: the layer
    begins as the identity. The log-det is sum(s), in nats. `encode` takes one
    pass; `decode` goes from token to token in one compiled loop, with a cache
    of keys and values, so that a token costs one token's arithmetic.

    Args:
        channels, layers: width of the transformer, and its attention blocks.
        heads: of the attention; one for each 64 channels if None.
        order: in which the tokens become known: "natural", "reversed", or a
            list of all of them.
        expansion: hidden units of a block's perceptron over channels.
        log_scale_bound: s = r / (1 + |r| / bound), so that no token explodes.
        training_dtype: in which the network computes in training steps; by default
            the global policy's, bfloat16 under `mixed_bfloat16`. All else is
            computed in the variable dtype: the loop that inverts rounds
            otherwise than a pass.

    Shapes: `(batch, tokens, d)` to the same; with a context `(batch, c)` that
    all tokens see, a list `[x, context]`. Raises ValueError for sizes that do
    not go together. Paper: TarFlow (2412.06329) section 2; the first token's
    t and s, fixed at 0 there, are learned.

    >>> z = TransformerAutoregressive(128, layers=4, order="reversed")(Patchify(4)(images))
    """

    def __init__(
        self,
        channels=128,
        layers=4,
        heads=None,
        order="natural",
        expansion=4,
        log_scale_bound=5.0,
        training_dtype=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.order = order if isinstance(order, str) else [int(i) for i in order]
        if isinstance(order, str) and order not in ("natural", "reversed"):
            raise ValueError(
                f"order is 'natural', 'reversed' or a list of tokens. Received: order={order!r}."
            )
        self.sizes = {"channels": channels, "layers": layers, "heads": heads}
        self.sizes["expansion"] = expansion
        self.map = AffineTransform(log_scale_bound)
        self.training_dtype = training_dtype or keras.config.dtype_policy().compute_dtype
        self._network(1)  # refuses sizes that do not go together

    def _network(self, outputs):
        return CausalTransformer(outputs, **self.sizes, dtype=self.dtype_policy, name="net")

    def build(self, input_shape):
        shape, *context = [input_shape] if is_shape(input_shape) else input_shape
        self.conditions = len(context)
        if len(shape) != 3 or None in shape[1:] or len(context) > 1:
            raise ValueError(
                "TransformerAutoregressive takes (batch, tokens, d) of known size, or [tokens, "
                f"context]. Received: input_shape={input_shape}."
            )
        if context and (len(context[0]) != 2 or context[0][1] is None):
            raise ValueError(
                f"A context is (batch, c) of known size. Received: context shape={context[0]}."
            )
        tokens, size = shape[1:]
        self.places = self._places(tokens)
        self.input_spec = keras.InputSpec(shape=(None, tokens, size))
        if context:
            self.input_spec = [self.input_spec, keras.InputSpec(shape=(None, context[0][1]))]
        self.net = self._network(2 * size)
        self.net.build(input_shape)

    def _places(self, tokens):
        """The tokens in the order in which they become known."""
        if isinstance(self.order, str):
            return list(range(tokens))[:: 1 if self.order == "natural" else -1]
        if sorted(self.order) != list(range(tokens)):
            raise ValueError(
                f"order must hold each of 0..{tokens - 1} once. Received: order={self.order}."
            )
        return self.order

    def _ordered(self, x):
        if self.order == "reversed":
            return ops.flip(x, axis=1)
        return x if self.order == "natural" else ops.take(x, self.places, axis=1)

    def _restored(self, x):
        if isinstance(self.order, str):
            return self._ordered(x)
        return ops.take(x, [self.places.index(i) for i in range(len(self.places))], axis=1)

    def call(self, inputs, training=None):
        self._adapt_if_asked(inputs)
        z, log_det = self.encode(inputs, low=bool(training))
        record(self, log_det)
        return z

    def _parts(self, inputs):
        return inputs if self.conditions else (inputs, None)

    def encode(self, x, low=False):
        x, context = self._parts(x)
        x = self._ordered(x)
        dtype = self.training_dtype if low else self.variable_dtype
        params = self.net(x if context is None else [x, context], dtype=dtype)
        z, log_slope = self.map.encode(x, self._pairs(params))
        return self._restored(z), self.sum(log_slope)

    def _pairs(self, params):
        return ops.reshape(params, (-1, *params.shape[1:-1], params.shape[-1] // 2, 2))

    def decode(self, z):
        return self._walk(*self._parts(z))

    def guided(self, z, context, strength):
        """As `decode`, with parameters p + strength (p - q), q being those without a context.

        `strength` has one number for each sample and token in order, `(batch, tokens)`.
        Paper: TarFlow (2412.06329) section 2.
        """
        return self._walk(z, context, strength)[0]

    def _walk(self, z, context, strength=None):
        z = self._ordered(z)
        batch, (tokens, size) = ops.shape(z)[0], z.shape[1:]
        if strength is not None:  # both at once: with the context, then without it
            context = ops.concatenate([context, ops.zeros_like(context)])
        ready = self.net.ready(context)
        twice = 1 if strength is None else 2

        def body(i, carry):
            before, x, log_slope, *cache = carry
            before = before if strength is None else ops.concatenate([before, before])
            params, cache = self.net.step(before, i, ready, cache)
            if strength is not None:
                given, free = ops.split(params, 2)
                params = given + ops.take(strength, i, axis=1)[:, None] * (given - free)
            x_i, slope = self.map.decode(ops.take(z, i, axis=1), self._pairs(params))
            here = ops.arange(tokens, dtype="int32")[:, None] == i
            x = ops.where(here, x_i[:, None], x)
            return (x_i, x, log_slope + ops.sum(slope, axis=-1), *cache)

        cache = self.net.cache(twice * batch, tokens)
        start = (ops.zeros((batch, size), z.dtype), ops.zeros_like(z), ops.zeros_like(z[:, 0, 0]))
        _, x, log_slope, *_ = loop(tokens, body, (*start, *cache))
        return self._restored(x), log_slope

    def get_config(self):
        own = {"order": self.order, "log_scale_bound": self.map.bound}
        return {
            **super().get_config(),
            **self.sizes,
            **own,
            "training_dtype": self.training_dtype,
        }
