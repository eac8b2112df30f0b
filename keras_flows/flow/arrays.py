"""Arrays, tables and tensors: what they are, and how their shapes fit a flow's."""

import keras
import numpy as np
from keras import ops


def is_data_set(x):
    """Whether x yields batches, rather than being the data itself."""
    return not (is_array(x) or isinstance(x, (list, tuple, dict, int, float)) or x is None)


def are_arrays(x):
    """Whether x is a list of arrays, one for each input, rather than a data set."""
    return isinstance(x, (list, tuple)) and all(hasattr(part, "shape") for part in x)


def is_array(x):
    return hasattr(x, "shape")


def is_tensor(x):
    return ops.is_tensor(x) or keras.utils.is_keras_tensor(x)


def shape_of(x):
    return tuple(x.shape)


def brief(x):
    """An array's shape, or what else it is."""
    if isinstance(x, (list, tuple)) and any(map(is_array, x)):
        return f"a list of shapes {[shape_of(v) if is_array(v) else v for v in x]}"
    return f"an array of shape {shape_of(x)}" if is_array(x) and shape_of(x) else repr(x)[:100]


def numbers(part):
    """A table, a list or a number as an array; ValueError for what is no number."""
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


def agree(received, expected):
    """Whether two shapes can be the same, None standing for any size."""
    pairs = list(zip(received, expected))
    return len(received) == len(expected) and all(a == b or None in (a, b) for a, b in pairs)


def ranked(part, shape):
    """`part` with an axis of size 1 at the end put in, or left out, as the shape has it."""
    rank = len(shape_of(part)) - 1
    if rank == len(shape) - 1 and shape[-1] == 1:
        return part[..., None]
    if rank == len(shape) + 1 and shape_of(part)[-1] == 1:
        return part[..., 0]
    return part


def for_each(context, shape, data):
    """The context for each sample of the data, or None where it does not fit."""
    n, context = shape_of(data)[0], context if shape_of(context) else context[None]
    context = context[None] if agree(shape_of(context), shape) else ranked(context, shape)
    rows, *rest = shape_of(context)
    if not agree(tuple(rest), shape) or not (rows == 1 or rows == n or None in (rows, n)):
        return None
    if rows == n or rows is None or n is None and rows != 1:
        return context
    if is_tensor(context):
        return ops.broadcast_to(context, (ops.shape(data)[0], *rest))
    return np.repeat(context, n, axis=0) if n else None
