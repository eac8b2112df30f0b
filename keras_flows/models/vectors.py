"""Parts of the builders for vectors: inputs, preprocessing, orders of autoregressive steps."""

import math

import keras
import numpy as np

from keras_flows.core.seeds import numpy_generator
from keras_flows.layers import (
    ClassVector,
    Constrained,
    Dequantize,
    Logit,
    Reshape,
    Standardize,
    StandardizeContext,
)
from keras_flows.models.sizes import check_dims, check_sizes, is_image_shape, is_size


def entry(builder, dims, context_dims, classes, steps, standardize, pictures=False):
    """The inputs of the encoder, the data, and a list with the context or nothing.

    `dims` is the number of dimensions; with `pictures` it may also be the shape
    of pictures of dtype uint8. `standardize` applies to a context of numbers.
    """
    picture = pictures and is_image_shape(dims)
    if pictures and not picture and not is_size(dims):
        raise ValueError(
            f"{builder} needs dims as the number of dimensions of a sample, as in {builder}(6), or "
            f"(height, width, channels), as in {builder}((28, 28, 1)). Received: dims={dims!r}."
        )
    if not pictures:
        check_dims(builder, dims)
    check_sizes(builder, {"classes": classes, "context_dims": context_dims or None}, steps=steps)
    if classes and context_dims:
        raise ValueError(
            f"{builder} takes context_dims or classes, not both. "
            f"Received: context_dims={context_dims}, classes={classes}."
        )
    x = keras.Input(dims, dtype="uint8", name="x") if picture else keras.Input((dims,), name="x")
    if classes:
        label = keras.Input((), dtype="int32", name="label")
        return [x, label], x, [ClassVector(classes)(label)]
    if context_dims:
        context = keras.Input((context_dims,), name="context")
        return [x, context], x, [StandardizeContext()(context) if standardize else context]
    return x, x, []


def scaled(x, support, standardize):
    """Maps columns with limits to the whole line, then standardizes them."""
    x = x if support is None else Constrained(support)(x)
    return Standardize()(x) if standardize else x


def flat_logits(x, alpha, seed):
    """Logits of dequantized pixels, as flat vectors."""
    return Reshape((math.prod(x.shape[1:]),))(Logit(alpha)(Dequantize(256, seed=seed)(x)))


def orders(builder, order, count, dims, seed):
    """The order of the dimensions in each of `count` successive autoregressive layers."""
    if order == "alternating":
        return ["natural" if i % 2 == 0 else "reversed" for i in range(count)]
    if order == "random":
        generator = np.random.default_rng(numpy_generator(seed))
        return [generator.permutation(dims).tolist() for _ in range(count)]
    raise ValueError(f"order is 'alternating' or 'random' in {builder}. Received: order={order!r}.")
