"""Attention blocks on tokens, in the dtype that the tokens have."""

import math

import keras
import numpy as np
from keras import ops


class Linear(keras.layers.Layer):
    """y = x W + b over the last axis, in the dtype of x."""

    def __init__(self, outputs, start="glorot_uniform", use_bias=True, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.outputs, self.use_bias = outputs, use_bias
        self.start = keras.initializers.get(start)

    def build(self, shape):
        size = (shape[-1], self.outputs)
        self.kernel = self.add_weight(name="kernel", shape=size, initializer=self.start)
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=size[1:], initializer="zeros")

    def call(self, x):
        flat = ops.reshape(x, (-1, x.shape[-1])) if len(x.shape) > 2 else x
        # Not ops.matmul, which drops float64 to float32 on torch.
        y = flat @ ops.cast(self.kernel, x.dtype)
        if self.use_bias:
            y = y + ops.cast(self.bias, x.dtype)
        return ops.reshape(y, (-1, *x.shape[1:-1], self.outputs)) if len(x.shape) > 2 else y

    def compute_output_shape(self, shape):
        return (*shape[:-1], self.outputs)


class Norm(keras.layers.Layer):
    """Layer normalisation of the last axis with learned scale and shift, in the variable dtype."""

    def __init__(self, epsilon=1e-5, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.epsilon = epsilon

    def build(self, shape):
        self.scale = self.add_weight(name="scale", shape=shape[-1:], initializer="ones")
        self.shift = self.add_weight(name="shift", shape=shape[-1:], initializer="zeros")

    def call(self, x):
        h = ops.cast(x, self.variable_dtype)
        h = h - ops.mean(h, axis=-1, keepdims=True)
        size = ops.mean(h * h, axis=-1, keepdims=True)
        return ops.cast(h * ops.rsqrt(size + self.epsilon) * self.scale + self.shift, x.dtype)


# Below, `Linear` and `Norm` are used by their `call`: what Keras does around one takes longer than
# the arithmetic of a token where nothing is compiled, as on torch.


class AttentionBlock(keras.layers.Layer):
    """Pre-norm block of `(batch, tokens, channels)`: h = x + attention(norm(x)), h + mlp(norm(h)).

    Computes in the dtype of x. `step` gives what a causal block's call gives
    of one token, from the keys and values of those before it.

    Args:
        heads: of the attention, of channels / heads channels each.
        expansion: hidden units of the perceptron over channels.
        causal: whether a token sees itself and those before it only.

    Papers: Attention Is All You Need (1706.03762) section 3, with the norms
    before (2002.04745).
    """

    def __init__(self, heads, expansion=4, causal=False, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.heads, self.expansion, self.causal = heads, expansion, causal

    def build(self, shape):
        channels = shape[-1]
        own = {"dtype": self.dtype_policy}
        self.norms = [Norm(**own), Norm(**own)]
        self.mix = [Linear(3 * channels, **own), Linear(channels, **own)]
        self.mlp = [Linear(self.expansion * channels, **own), Linear(channels, **own)]
        for layer in (*self.norms, *self.mix, self.mlp[0]):
            layer.build((None, channels))
        self.mlp[1].build((None, self.expansion * channels))

    def _heads(self, x):
        """Queries, keys and values, each `(..., heads, channels / heads)`."""
        mixed = self.mix[0].call(self.norms[0].call(x))
        size = x.shape[-1] // self.heads
        mixed = ops.reshape(mixed, (-1, *x.shape[1:-1], 3, self.heads, size))
        return ops.unstack(mixed, 3, axis=len(x.shape) - 1)

    def _rest(self, x, seen):
        x = x + self.mix[1].call(ops.reshape(seen, (-1, *x.shape[1:])))
        hidden = ops.gelu(self.mlp[0].call(self.norms[1].call(x)))
        return x + self.mlp[1].call(hidden)

    def call(self, x):
        return self._rest(x, attention(*self._heads(x), self.causal))

    def empty(self, batch, tokens, channels):
        """Keys and values of tokens of which none is known."""
        shape = (batch, self.heads, tokens, channels // self.heads)
        return ops.zeros(shape, self.variable_dtype), ops.zeros(shape, self.variable_dtype)

    def step(self, x, i, keys, values):
        """Token i, `(batch, channels)`, of `call`, and the keys and values with its own."""
        q, k, v = self._heads(x)
        places = ops.arange(keys.shape[2], dtype="int32")
        # Not ops.slice_update, which has no gradient on TensorFlow.
        keys = ops.where((places == i)[:, None], k[:, :, None], keys)
        values = ops.where((places == i)[:, None], v[:, :, None], values)
        return self._rest(x, _attention(q[:, :, None], keys, values, places <= i)), keys, values


def attention(q, k, v, causal):
    """softmax(q k / sqrt(size)) v of `(batch, tokens, heads, size)`."""
    if keras.backend.standardize_dtype(q.dtype) != "float64":
        return ops.dot_product_attention(q, k, v, is_causal=causal)
    # The backends' own computes in float32.
    q, k, v = (ops.swapaxes(each, 1, 2) for each in (q, k, v))
    tokens = q.shape[2]
    seen = np.tri(tokens) if causal else np.ones((tokens, tokens))
    return ops.swapaxes(_attention(q, k, v, ops.convert_to_tensor(seen, "bool")), 1, 2)


def _attention(q, k, v, seen):
    """The same of `(batch, heads, tokens, size)`, of the keys that are seen."""
    products = q @ ops.swapaxes(k, 2, 3) / math.sqrt(q.shape[-1])
    return ops.softmax(ops.where(seen, products, -1e30), axis=-1) @ v
