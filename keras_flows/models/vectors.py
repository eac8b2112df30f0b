"""What the builders for vectors share: data and context in, the orders of autoregressive steps."""

import math

import keras
import numpy as np

from keras_flows.core.flow_layer import numpy_generator
from keras_flows.layers import (
    ClassVector,
    Constrained,
    Dequantize,
    Logit,
    Reshape,
    Standardize,
    StandardizeContext,
)


def entry(builder, dims, context_dims, classes, steps, standardize):
    """The inputs of the encoder, the data among them, and a list of the context, if any.

    `dims` is the number of dimensions, or the shape of pictures, of dtype
    uint8. `standardize` is for a context of numbers.
    """
    picture = isinstance(dims, (list, tuple))
    sizes = [*dims] if picture else [dims]
    wrong = min(sizes, default=0) < 1 or len(sizes) != (3 if picture else 1)
    wrong = wrong or (classes is not None and (classes < 1 or context_dims))
    if wrong or steps < 1 or context_dims < 0:
        raise ValueError(
            f"{builder} needs dims, or a picture's three sizes, and steps of 1 or more, and "
            "context_dims or classes, not both. "
            f"Received: dims={dims}, steps={steps}, context_dims={context_dims}, "
            f"classes={classes}."
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
    """Columns within their limits on the whole line, and then of mean 0 and deviation 1."""
    x = x if support is None else Constrained(support)(x)
    return Standardize()(x) if standardize else x


def flat_logits(x, alpha, seed):
    """Logits of dequantized pixels, as vectors."""
    return Reshape((math.prod(x.shape[1:]),))(Logit(alpha)(Dequantize(256, seed=seed)(x)))


def orders(builder, order, count, dims, seed):
    """The orders of so many autoregressive layers one after another."""
    if order == "alternating":
        return ["natural" if i % 2 == 0 else "reversed" for i in range(count)]
    if order == "random":
        generator = np.random.default_rng(numpy_generator(seed))
        return [generator.permutation(dims).tolist() for _ in range(count)]
    raise ValueError(f"order is 'alternating' or 'random' in {builder}. Received: order={order!r}.")
