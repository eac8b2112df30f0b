"""Training, validation and test rows: one of MAF's five sets, or any table."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_flows.data import tables
from keras_flows.data.maf_sets import SETS, hold_out, read_set


@dataclass
class SplitTable:
    """Float32 arrays `(n, d)`: `train`, `validation` to choose the epoch by, and `test`.

    `names` are the names of the columns, `title` is the name of the set or file.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    names: list
    title: str


def load(name, file=None, seed=0, columns=None, drop=()):
    """Reads one of `SETS` or any other table, as a `SplitTable`.

    Any other table keeps its units. If its file is not split, `seed` shuffles the rows and a
    tenth is held out for the test, then a tenth of the rest for validation.

    Args:
        name: one of `SETS`, or the path of a table.
        file: the original file of one of `SETS`.
        seed: integer that fixes the split of a table; the five sets do not depend on it.
        columns: names of the columns to take, in this order; None takes all. Not for `SETS`.
        drop: names of columns to leave out. Not for `SETS`.

    Raises FileNotFoundError or ValueError that names the file.

    >>> data = load("power", "data.npy"); data = load("wine.csv", drop=["quality"])
    """
    if name not in SETS:
        if Path(name).suffix.lower() not in tables.SUFFIXES or file is not None:
            raise ValueError(
                f"Give one of {tuple(SETS)} and its original file, or the path of a table with "
                f"one of the endings {tables.SUFFIXES}. Received: {name} and file={file}."
            )
        return _load_table(Path(name), seed, columns, drop)
    if columns is not None or drop:
        raise ValueError(f"{name} has its published columns. Received: {columns=}, {drop=}.")
    if file is None:
        raise ValueError(f"{name} needs its original file: {SETS[name]}. Received: no file.")
    parts, names = read_set(name, Path(file))
    return SplitTable(*(x.astype("float32") for x in parts), names, name.upper())


def _load_table(path, seed, columns, drop):
    table = tables.read(path, columns, drop)
    if table.sizes:
        parts = np.split(table.rows, np.cumsum(table.sizes)[:-1])
    else:
        parts = hold_out(table.rows[np.random.default_rng(seed).permutation(len(table.rows))], path)
    with np.errstate(over="ignore"):
        rounded = [x.astype("float32") for x in parts]
    _check_rounding(path, table.names, parts, rounded)
    return SplitTable(*rounded, table.names, path.name)


def _check_rounding(path, names, parts, rounded):
    """ValueError if float32 cannot tell a column's values apart."""
    with np.errstate(over="ignore"):
        spread = parts[0].std(axis=0, dtype="float64")
    error = np.max([np.abs(x - y).max(axis=0) for x, y in zip(parts, rounded)], axis=0)
    lost = np.flatnonzero(error >= 1e-3 * spread)
    if len(lost):
        raise ValueError(
            f"{path}, {tables.label(names, lost[0])} varies too little for its size, or is "
            f"too large, in 32 bits; subtract its mean or leave it out. "
            f"Received: a standard deviation of {spread[lost[0]]:.3g} in the training rows."
        )
