"""Checks of values: numbers that are not finite, integers and labels out of range."""

import warnings

import numpy as np
from keras import ops

CHUNK = 2**22  # values checked at once


def check_values(inputs_spec, inputs, latent=False):
    """Raises a ValueError for values in arrays that have no density or are not a label.

    Tensors are not checked: for such values in a tensor the density is NaN.
    """
    parts = inputs if isinstance(inputs, list) else [inputs]
    for place, part in enumerate(parts):
        if not isinstance(part, np.ndarray) or not part.size or latent and not place:
            continue
        check_finite(part, inputs_spec.names[place])
        if place in inputs_spec.labels:
            _check_labels(part, *inputs_spec.labels[place])
        elif not place and inputs_spec.levels and part.dtype.kind in "iu":
            _check_levels(part, inputs_spec.levels)


def check_finite(x, name):
    """Raises a ValueError with the first place where an array is not finite."""
    if x.dtype.kind != "f":
        return
    rows = max(1, CHUNK * len(x) // max(x.size, 1))
    for start in range(0, len(x), rows):
        places = np.argwhere(~np.isfinite(x[start : start + rows]))
        if len(places):
            row, *column = places[0].tolist()
            where = f"column {column[0]}, " if len(column) == 1 else ""
            where += f"place {tuple(column)}, " if len(column) > 1 else ""
            value = x[start + row][tuple(column)]
            raise ValueError(
                "A flow takes finite numbers: drop or fill missing values. "
                f"Received: {value} in '{name}', {where}row {start + row}."
            )


def _check_levels(x, levels):
    info = np.iinfo(x.dtype)
    if info.min >= 0 and info.max < levels:
        return
    low, high = x.min(), x.max()
    if low < 0 or high >= levels:
        raise ValueError(
            f"This flow takes integers from 0 to {levels - 1}. "
            f"Received: values from {low} to {high}."
        )


def _check_labels(labels, classes, optional):
    low, high = labels.min(), labels.max()
    whole = labels.dtype.kind in "biu" or np.all(labels == np.floor(labels))
    if not whole or low < -optional or high >= classes:
        none = ", and -1 for none" if optional else ""
        raise ValueError(
            f"This flow has classes from 0 to {classes - 1}{none}. Received: labels "
            f"{'from ' if whole else 'that are not whole numbers, from '}{low} to {high}."
        )


def warn_unless_finite(flow, values, what):
    """Returns the values; warns if they, or for integers the weights, are not finite."""
    rows, whole = len(values), values.dtype.kind in "iub"
    finite = rows if whole else np.isfinite(values.reshape(rows, -1)).all(axis=1).sum()
    weights = broken_weights(flow) if whole or finite < rows else []
    if finite < rows or weights:
        why = f" Weights that are not finite: {weights[:3]}." if weights else ""
        warnings.warn(
            f"{what}: {rows - finite} of {rows} results are not finite.{why}",
            RuntimeWarning,
            stacklevel=3,
        )
    return values


def broken_weights(flow):
    """Paths of the weights with numbers that are not finite."""
    arrays = ((w.path, ops.convert_to_numpy(w)) for w in flow.weights)
    return [path for path, array in arrays if not np.all(np.isfinite(array))]
