"""An autoregressive layer over tokens, with a causal transformer."""

import keras
from keras import ops

from keras_flows.backend.native import loop
from keras_flows.core.flow_layer import FlowLayer, register
from keras_flows.core.ledger import record
from keras_flows.core.shapes import is_shape
from keras_flows.layers.transforms import AffineTransform
from keras_flows.transformers.transformer import CausalTransformer


@register
class TransformerAutoregressive(FlowLayer):
    """Autoregressive layer over tokens: z_i = (x_i - t_i) exp(s_i).

    t_i and s_i depend on x_1 ... x_(i-1). They come from a
    `CausalTransformer` and are 0 at first: the layer starts as the identity.
    The log-det is sum(s), in nats. `encode` takes one pass. `decode` goes from
    token to token in one compiled loop, with a cache of keys and values, so
    that each step costs the arithmetic of one token.

    Args:
        channels, layers: width of the transformer, and number of its blocks.
        heads: number of attention heads; one for each 64 channels if None.
        order: the order in which tokens are decoded: "natural", "reversed", or
            a list of all of them.
        expansion: hidden units of a block's perceptron, divided by channels.
        log_scale_bound: s = r / (1 + |r| / bound), so that no token explodes.
        training_dtype: compute dtype of the network in training steps; if None
            that of the global policy, bfloat16 under `mixed_bfloat16`. Outside
            of training the network computes in the variable dtype, because
            rounding in the decoding loop differs from that in a pass.

    Shapes: `(batch, tokens, d)` to the same; with a context `(batch, c)` for
    all tokens, a list `[x, context]`. Raises ValueError for sizes that do not
    match. Paper: TarFlow (2412.06329) section 2; the first token's t and s
    are 0 in the paper and learned here.

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
        self._network(1)  # raises for sizes that do not match

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
        """The tokens in the order in which they are decoded."""
        if isinstance(self.order, str):
            return list(range(tokens))[:: 1 if self.order == "natural" else -1]
        if sorted(self.order) != list(range(tokens)):
            raise ValueError(
                f"order must contain each of 0..{tokens - 1} once. Received: order={self.order}."
            )
        return self.order

    def _to_order(self, x):
        if self.order == "reversed":
            return ops.flip(x, axis=1)
        return x if self.order == "natural" else ops.take(x, self.places, axis=1)

    def _from_order(self, x):
        if isinstance(self.order, str):
            return self._to_order(x)
        return ops.take(x, [self.places.index(i) for i in range(len(self.places))], axis=1)

    def call(self, inputs, training=None):
        self._adapt_if_asked(inputs)
        z, log_det = self.encode(inputs, training=bool(training))
        record(self, log_det)
        return z

    def _data_and_context(self, inputs):
        return inputs if self.conditions else (inputs, None)

    def encode(self, x, training=False):
        x, context = self._data_and_context(x)
        x = self._to_order(x)
        dtype = self.training_dtype if training else self.variable_dtype
        params = self.net(x if context is None else [x, context], dtype=dtype)
        z, log_slope = self.map.encode(x, self._shift_and_scale(params))
        return self._from_order(z), self.sum(log_slope)

    def _shift_and_scale(self, params):
        return ops.reshape(params, (-1, *params.shape[1:-1], params.shape[-1] // 2, 2))

    def decode(self, z):
        return self._decode_tokens(*self._data_and_context(z))

    def guided(self, z, context, strength):
        """As `decode`, with parameters p + strength (p - q), where q are those without a context.

        `strength` has shape `(batch, tokens)`, with tokens in the order of the layer.
        Paper: TarFlow (2412.06329) section 2.
        """
        return self._decode_tokens(z, context, strength)[0]

    def _decode_tokens(self, z, context, strength=None):
        z = self._to_order(z)
        batch, (tokens, size) = ops.shape(z)[0], z.shape[1:]
        if strength is not None:  # one batch: first with the context, then without it
            context = ops.concatenate([context, ops.zeros_like(context)])
        ready = self.net.ready(context)
        copies = 1 if strength is None else 2

        def body(i, carry):
            previous, x, log_slope, *cache = carry
            previous = previous if strength is None else ops.concatenate([previous, previous])
            params, cache = self.net.step(previous, i, ready, cache)
            if strength is not None:
                conditional, free = ops.split(params, 2)
                weight = ops.take(strength, i, axis=1)[:, None]
                params = conditional + weight * (conditional - free)
            x_i, slope = self.map.decode(ops.take(z, i, axis=1), self._shift_and_scale(params))
            here = ops.arange(tokens, dtype="int32")[:, None] == i
            x = ops.where(here, x_i[:, None], x)
            return (x_i, x, log_slope + ops.sum(slope, axis=-1), *cache)

        cache = self.net.cache(copies * batch, tokens)
        start = (ops.zeros((batch, size), z.dtype), ops.zeros_like(z), ops.zeros_like(z[:, 0, 0]))
        _, x, log_slope, *_ = loop(tokens, body, (*start, *cache))
        return self._from_order(x), log_slope

    def get_config(self):
        return {
            **super().get_config(),
            **self.sizes,
            "order": self.order,
            "log_scale_bound": self.map.bound,
            "training_dtype": self.training_dtype,
        }
