"""Arrays, tables and tensors: which kind a value is, and whether shapes match a flow's inputs."""

import keras
import numpy as np
from keras import ops


def is_array(x):
    """Whether x is an array, a tensor or a table."""
    return hasattr(x, "shape")


def is_tensor(x):
    """Whether x is a tensor of the backend, or a symbolic one."""
    return ops.is_tensor(x) or keras.utils.is_keras_tensor(x)


def is_list_of_arrays(x):
    """Whether x is a list with one array for each input."""
    return isinstance(x, (list, tuple)) and all(map(is_array, x))


def is_array_data(x):
    """Whether x is an array, or a list with one array for each input."""
    return is_array(x) or is_list_of_arrays(x)


def is_data_set(x):
    """Whether x yields batches, rather than being the data itself."""
    return not (is_array(x) or isinstance(x, (list, tuple, dict, int, float)) or x is None)


def count_rows(x):
    """The number of samples in an array or in a list of arrays."""
    return len(x if is_array(x) else x[0])


def shape_of(x):
    return tuple(x.shape)


def describe(x):
    """The shape of an array or of a list of arrays, for messages; otherwise a short repr."""
    if isinstance(x, (list, tuple)) and any(map(is_array, x)):
        return f"a list of shapes {[shape_of(v) if is_array(v) else v for v in x]}"
    return f"an array of shape {shape_of(x)}" if is_array(x) and shape_of(x) else repr(x)[:100]


def as_numeric_array(part):
    """A table, a list or a number as an array. Raises ValueError for anything but numbers."""
    if hasattr(part, "to_numpy"):  # pandas
        columns = {name: part[name] for name in getattr(part, "columns", ())} or {part.name: part}
        text = [name for name, v in columns.items() if getattr(v.dtype, "kind", "O") not in "biuf"]
        if text:
            raise ValueError(f"A flow takes numbers. Received: columns {text} of other dtypes.")
        mixed = part.to_numpy().dtype.kind == "O"
        part = part.to_numpy(dtype="float64", na_value=np.nan) if mixed else part.to_numpy()
    part = part if is_array(part) else np.asarray(part)
    if getattr(part.dtype, "kind", "f") in "OUSMmc":
        raise ValueError(f"A flow takes numbers. Received: an array of dtype {part.dtype}.")
    return part


def shapes_match(received, expected):
    """Whether two shapes can be equal, where None is a size that is not known."""
    pairs = list(zip(received, expected))
    return len(received) == len(expected) and all(a == b or None in (a, b) for a, b in pairs)


def match_rank(x, shape):
    """x with a last axis of size 1 added or removed, where samples of `shape` need it."""
    rank = len(shape_of(x)) - 1
    if rank == len(shape) - 1 and shape[-1] == 1:
        return x[..., None]
    if rank == len(shape) + 1 and shape_of(x)[-1] == 1:
        return x[..., 0]
    return x


def context_per_sample(context, shape, data):
    """The context, repeated for each sample of the data if it has one row; None if it cannot fit.

    `shape` is the expected shape of one context.
    """
    n, context = shape_of(data)[0], context if shape_of(context) else context[None]
    single = shapes_match(shape_of(context), shape)
    context = context[None] if single else match_rank(context, shape)
    rows, *rest = shape_of(context)
    if not shapes_match(tuple(rest), shape) or not (rows == 1 or rows == n or None in (rows, n)):
        return None
    if rows == n or rows is None or n is None and rows != 1:
        return context
    if is_tensor(context):
        return ops.broadcast_to(context, (ops.shape(data)[0], *rest))
    return np.repeat(context, n, axis=0) if n else None
