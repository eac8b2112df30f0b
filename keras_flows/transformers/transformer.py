"""The transformers of TarFlow and Jet: causal with a cache, and over all tokens."""

import keras
from keras import ops

from keras_flows.core.flow_layer import is_shape, register
from keras_flows.core.repeats import values_later
from keras_flows.transformers.attention import AttentionBlock, Linear, Norm
from keras_flows.transformers.repeat import Repeat


class Tokens(keras.layers.Layer):
    """What both transformers share: blocks between an embedding of tokens and zeros to start with.

    Computes in the policy's compute dtype, or in the one that `call` is told.
    """

    causal = False

    def __init__(self, outputs, channels, layers, heads=None, expansion=4, **kwargs):
        super().__init__(autocast=False, **kwargs)
        heads = max(1, channels // 64) if heads is None else heads
        self.sizes = {
            "outputs": outputs,
            "channels": channels,
            "layers": layers,
            "heads": heads,
            "expansion": expansion,
        }
        if min(self.sizes.values()) < 1 or channels % heads:
            raise ValueError(
                "A transformer needs outputs, channels, layers, heads and expansion of 1 or more, "
                f"and channels divisible by heads. Received: {self.sizes}."
            )

    def build(self, input_shape):
        shape, *context = [input_shape] if is_shape(input_shape) else input_shape
        if len(shape) != 3 or None in shape[1:]:
            raise ValueError(
                "A transformer takes (batch, tokens, channels) of known size. "
                f"Received: shape={tuple(shape)}."
            )
        channels, own = self.sizes["channels"], {"dtype": self.dtype_policy}
        self.embed = Linear(channels, **own)
        self.embed.build(shape)
        self.positions = self.add_weight(
            name="positions",
            shape=(shape[1], channels),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )
        self.given = Linear(channels, use_bias=False, **own) if context else None
        if context:
            self.given.build(context[0])
        block = {"causal": self.causal, **own}
        blocks = [
            AttentionBlock(self.sizes["heads"], self.sizes["expansion"], **block)
            for _ in range(self.sizes["layers"])
        ]
        self.repeat = Repeat(blocks, **own)
        self.norm, self.out = Norm(**own), Linear(self.sizes["outputs"], "zeros", **own)
        with values_later(blocks):
            for layer in (*blocks, self.repeat, self.norm, self.out):
                layer.build((None, shape[1], channels))

    @property
    def blocks(self):
        """The attention blocks, which files know by this name."""
        return self.repeat.blocks

    def _places(self, context, dtype):
        """What is added to the embeddings: positions, and the context for all of them."""
        places = ops.cast(self.positions, dtype)
        if self.given is None:
            return places[None]
        return places + self.given.call(ops.cast(context, dtype))[:, None]

    def _through(self, h):
        h = self.norm.call(self.repeat.call(h))
        return ops.cast(self.out.call(h), self.variable_dtype)

    def compute_output_shape(self, input_shape):
        shape = input_shape if is_shape(input_shape) else input_shape[0]
        return (*shape[:-1], self.sizes["outputs"])

    def get_config(self):
        return {**super().get_config(), **self.sizes}


@register
class VisionTransformer(Tokens):
    """Outputs for each token from all tokens, for couplings: the network of Jet.

    Args:
        outputs: numbers for each token, 0 at the start.
        channels, layers: width, and attention blocks.
        heads: of the attention; one for each 64 channels if None.
        expansion: hidden units of a block's perceptron over channels.

    Shapes: `(batch, tokens, d)`, or `[x, context]` with a context `(batch, c)`
    that all tokens see, to `(batch, tokens, outputs)`. Raises ValueError for
    sizes that do not go together. Papers: Jet (2412.15129), ViT (2010.11929).

    >>> z = Coupling(VisionTransformer(2 * 24, 128, layers=2), "affine", split="halves")(x)
    """

    def call(self, inputs):
        x, context = inputs if isinstance(inputs, (list, tuple)) else (inputs, None)
        h = self.embed.call(ops.cast(x, self.compute_dtype))
        return self._through(h + self._places(context, self.compute_dtype))


@register
class CausalTransformer(Tokens):
    """Outputs for each token from the tokens before it alone: the network of TarFlow.

    The tokens are shifted by one: the first outputs are those of a learned
    start. `step` gives the outputs of one token from a cache of those before it,
    at the cost of one token.

    Args and shapes: as those of `VisionTransformer`. Computes in the variable
    dtype, or in the one that `call` is given.
    Paper: TarFlow (2412.06329) section 2.
    """

    causal = True

    def build(self, input_shape):
        super().build(input_shape)
        self.start = self.add_weight(
            name="start", shape=(self.sizes["channels"],), initializer="zeros"
        )

    def call(self, inputs, dtype=None):
        x, context = inputs if isinstance(inputs, (list, tuple)) else (inputs, None)
        dtype = dtype or self.variable_dtype
        h = self.embed.call(ops.cast(x, dtype))
        start = ops.broadcast_to(ops.cast(self.start, dtype), (ops.shape(x)[0], 1, h.shape[-1]))
        h = ops.concatenate([start, h[:, :-1]], axis=1)
        return self._through(h + self._places(context, dtype))

    def cache(self, batch, tokens):
        """Keys and values of all blocks before the first step."""
        channels = self.sizes["channels"]
        return [part for b in self.blocks for part in b.empty(batch, tokens, channels)]

    def ready(self, context):
        """What `step` needs of the context and of the weights."""
        return self._places(context, self.variable_dtype), self.repeat.each()

    def step(self, before, i, ready, cache):
        """Outputs of token i, `(batch, outputs)`, given token i - 1; and the cache with token i."""
        start, (places, each) = ops.convert_to_tensor(self.start), ready
        h = ops.where(i == 0, start, self.embed.call(before)) + ops.take(places, i, axis=1)
        filled = []
        for index, (weights, *known) in enumerate(zip(each, cache[::2], cache[1::2])):
            h, *new = self.repeat.within(index, weights, AttentionBlock.step, h, i, *known)
            filled += new
        return self.out.call(self.norm.call(h)), filled
