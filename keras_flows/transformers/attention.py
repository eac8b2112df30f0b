"""Attention blocks over tokens, computed in the dtype of the tokens."""

import math

import keras
import numpy as np
from keras import ops


class Linear(keras.layers.Layer):
    """y = x W + b over the last axis, in the dtype of x."""

    def __init__(self, outputs, initializer="glorot_uniform", use_bias=True, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.outputs, self.use_bias = outputs, use_bias
        self.initializer = keras.initializers.get(initializer)

    def build(self, shape):
        size = (shape[-1], self.outputs)
        self.kernel = self.add_weight(name="kernel", shape=size, initializer=self.initializer)
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


# Below, `Linear` and `Norm` are used through `call`: without compilation, as on torch, the work of
# `__call__` takes longer than the arithmetic of a token.


class AttentionBlock(keras.layers.Layer):
    """Pre-norm block of `(batch, tokens, channels)`: h = x + attention(norm(x)), h + mlp(norm(h)).

    Computes in the dtype of x. For a causal block `step` computes the output
    of a call for one token, from the keys and values of the tokens before.

    Args:
        heads: number of attention heads, of channels / heads channels each.
        expansion: hidden units of the MLP as a multiple of the channels.
        causal: whether a token attends only to itself and the tokens before.

    Papers: Attention Is All You Need (1706.03762) section 3, with
    normalisation first (2002.04745).
    """

    def __init__(self, heads, expansion=4, causal=False, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.heads, self.expansion, self.causal = heads, expansion, causal

    def build(self, shape):
        channels = shape[-1]
        options = {"dtype": self.dtype_policy}
        self.norms = [Norm(**options), Norm(**options)]
        self.mix = [Linear(3 * channels, **options), Linear(channels, **options)]
        self.mlp = [Linear(self.expansion * channels, **options), Linear(channels, **options)]
        for layer in (*self.norms, *self.mix, self.mlp[0]):
            layer.build((None, channels))
        self.mlp[1].build((None, self.expansion * channels))

    def _heads(self, x):
        """Queries, keys and values, each `(..., heads, channels / heads)`."""
        mixed = self.mix[0].call(self.norms[0].call(x))
        size = x.shape[-1] // self.heads
        mixed = ops.reshape(mixed, (-1, *x.shape[1:-1], 3, self.heads, size))
        return ops.unstack(mixed, 3, axis=len(x.shape) - 1)

    def _residuals(self, x, attended):
        """The output of the block, from its input and the result of the attention."""
        x = x + self.mix[1].call(ops.reshape(attended, (-1, *x.shape[1:])))
        hidden = ops.gelu(self.mlp[0].call(self.norms[1].call(x)))
        return x + self.mlp[1].call(hidden)

    def call(self, x):
        return self._residuals(x, attention(*self._heads(x), self.causal))

    def empty(self, batch, tokens, channels):
        """The cache of keys and values before the first token: zeros."""
        shape = (batch, self.heads, tokens, channels // self.heads)
        return ops.zeros(shape, self.variable_dtype), ops.zeros(shape, self.variable_dtype)

    def step(self, x, i, keys, values):
        """The output for token i, `(batch, channels)`, and the cache with its key and value."""
        q, k, v = self._heads(x)
        positions = ops.arange(keys.shape[2], dtype="int32")
        # Not ops.slice_update, which has no gradient on TensorFlow.
        keys = ops.where((positions == i)[:, None], k[:, :, None], keys)
        values = ops.where((positions == i)[:, None], v[:, :, None], values)
        attended = _attention(q[:, :, None], keys, values, positions <= i)
        return self._residuals(x, attended), keys, values


def attention(q, k, v, causal):
    """softmax(q k / sqrt(size)) v, for `(batch, tokens, heads, size)`."""
    if keras.backend.standardize_dtype(q.dtype) != "float64":
        return ops.dot_product_attention(q, k, v, is_causal=causal)
    # `ops.dot_product_attention` computes in float32 at most.
    q, k, v = (ops.swapaxes(part, 1, 2) for part in (q, k, v))
    tokens = q.shape[2]
    mask = np.tri(tokens) if causal else np.ones((tokens, tokens))
    return ops.swapaxes(_attention(q, k, v, ops.convert_to_tensor(mask, "bool")), 1, 2)


def _attention(q, k, v, mask):
    """The same for `(batch, heads, tokens, size)`, with a mask of the keys to attend to."""
    products = q @ ops.swapaxes(k, 2, 3) / math.sqrt(q.shape[-1])
    return ops.softmax(ops.where(mask, products, -1e30), axis=-1) @ v
