"""The transformers of TarFlow, causal with a cache, and of Jet, with attention over all tokens."""

import keras
from keras import ops

from keras_flows.core.flow_layer import register
from keras_flows.core.repeats import values_later
from keras_flows.core.shapes import is_shape
from keras_flows.transformers.attention import AttentionBlock, Linear, Norm
from keras_flows.transformers.repeat import Repeat


class Tokens(keras.layers.Layer):
    """Base of both transformers: an embedding of tokens, attention blocks, an output layer at 0.

    Computes in the compute dtype of its policy, or in the dtype passed to `call`.
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
        channels, options = self.sizes["channels"], {"dtype": self.dtype_policy}
        self.embed = Linear(channels, **options)
        self.embed.build(shape)
        self.positions = self.add_weight(
            name="positions",
            shape=(shape[1], channels),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )
        self.given = Linear(channels, use_bias=False, **options) if context else None
        if context:
            self.given.build(context[0])
        heads, expansion = self.sizes["heads"], self.sizes["expansion"]
        blocks = [
            AttentionBlock(heads, expansion, self.causal, **options)
            for _ in range(self.sizes["layers"])
        ]
        self.repeat = Repeat(blocks, **options)
        self.norm, self.out = Norm(**options), Linear(self.sizes["outputs"], "zeros", **options)
        with values_later(blocks):
            for layer in (*blocks, self.repeat, self.norm, self.out):
                layer.build((None, shape[1], channels))

    @property
    def blocks(self):
        """The attention blocks, under the name that they have in saved files."""
        return self.repeat.blocks

    def _added(self, context, dtype):
        """The embeddings of positions and context, which are added to those of the tokens."""
        positions = ops.cast(self.positions, dtype)
        if self.given is None:
            return positions[None]
        return positions + self.given.call(ops.cast(context, dtype))[:, None]

    def _outputs(self, h):
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
        outputs: number of outputs for each token; they start at 0.
        channels, layers: width, and number of attention blocks.
        heads: number of attention heads; None for one for each 64 channels.
        expansion: hidden units of the MLP of a block, as a multiple of the channels.

    Shapes: `(batch, tokens, d)`, or `[x, context]` with a context `(batch, c)`
    for all tokens, to `(batch, tokens, outputs)`. Raises ValueError for sizes
    below 1 and channels that heads do not divide. Papers: Jet (2412.15129),
    ViT (2010.11929).

    >>> z = Coupling(VisionTransformer(2 * 24, 128, layers=2), "affine", split="halves")(x)
    """

    def call(self, inputs):
        x, context = inputs if isinstance(inputs, (list, tuple)) else (inputs, None)
        h = self.embed.call(ops.cast(x, self.compute_dtype))
        return self._outputs(h + self._added(context, self.compute_dtype))


@register
class CausalTransformer(Tokens):
    """Outputs for each token from the tokens before it only: the network of TarFlow.

    The tokens are shifted by one, and the first is a learned start token.
    `step` computes the outputs for one token from a cache of the tokens before,
    at the cost of one token.

    Arguments and shapes are those of `VisionTransformer`. Computes in the
    variable dtype, or in the dtype passed to `call`.
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
        return self._outputs(h + self._added(context, dtype))

    def cache(self, batch, tokens):
        """The cache of all blocks before the first step."""
        channels = self.sizes["channels"]
        return [part for b in self.blocks for part in b.empty(batch, tokens, channels)]

    def ready(self, context):
        """The context and the weights in the form that `step` takes."""
        return self._added(context, self.variable_dtype), self.repeat.each()

    def step(self, previous, i, ready, cache):
        """The outputs for token i, `(batch, outputs)`, given token i - 1, and the new cache."""
        start, (added, block_weights) = ops.convert_to_tensor(self.start), ready
        h = ops.where(i == 0, start, self.embed.call(previous)) + ops.take(added, i, axis=1)
        new_cache = []
        caches = zip(block_weights, cache[::2], cache[1::2])
        for index, (weights, *known) in enumerate(caches):
            h, *new = self.repeat.within(index, weights, AttentionBlock.step, h, i, *known)
            new_cache += new
        return self.out.call(self.norm.call(h)), new_cache
