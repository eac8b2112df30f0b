"""Shapes of the inputs of flow layers."""

import math

import keras
from keras import ops


def is_shape(shape):
    """Whether `shape` is the shape of one tensor, not a list of shapes."""
    return all(size is None or isinstance(size, int) for size in shape)


def known_size(layer, shape, axis=-1):
    """The static size of an axis. Raises a ValueError if it is unknown."""
    if len(shape) < 2 or shape[axis] is None:
        raise ValueError(
            f"{type(layer).__name__} needs inputs of rank 2 or more whose axis {axis} is known. "
            f"Received: shape={tuple(shape)}."
        )
    return shape[axis]


def fixed_last_axis(size):
    """An `input_spec` by which a built layer refuses another size instead of broadcasting it."""
    return keras.InputSpec(min_ndim=2, axes={-1: size})


def check_list(layer, shapes, count=None):
    """Raises a ValueError unless `shapes` belong to a list of tensors, `count` of them if given."""
    if is_shape(shapes) or count not in (None, len(shapes)):
        raise ValueError(
            f"{type(layer).__name__} takes a list of {count or 'several'} tensors. "
            f"Received: {'one tensor of shape' if is_shape(shapes) else 'shapes'} {shapes}."
        )


def data_part(layer, inputs):
    """The inputs that are transformed, without the conditions."""
    return list(inputs)[: len(inputs) - layer.conditions]


def positions(x):
    """Number of positions, of `channels` numbers each, in a sample of `(batch, ..., channels)`."""
    inner = x.shape[1:-1]
    if None in inner:
        return ops.cast(ops.prod(ops.shape(x)[1:-1]), x.dtype)
    return math.prod(inner)
