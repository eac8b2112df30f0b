"""`write`: a table to a file."""

import csv
import pathlib

import numpy as np

from keras_flows.files import written_whole


def write(path, rows, names=None):
    """Writes an array `(n, d)` to a csv, npy or npz file that `read` accepts.

    csv: the first line has the column names, x1, x2 and so on by default; numbers have enough
    digits to be read back exactly. npz: the array `x` and, if given, `names`. npy: no names. An
    existing file is replaced when everything is written.

    Raises ValueError for another ending, or if the numbers of names and columns differ.

    >>> keras_flows.data.tables.write("rows.csv", flow.sample(1000), ["acid", "sugar"])
    """
    path, rows = check_writable(path), np.asarray(rows)
    if rows.ndim != 2 or (names is not None and len(names) != rows.shape[1]):
        raise ValueError(
            "rows must be an array of shape (rows, columns), with a name for each column or none. "
            f"Received: shape={rows.shape}, names={names}."
        )
    with written_whole(path) as partial:
        WRITERS[path.suffix.lower()](partial, rows, names)


def check_writable(path):
    """The path; ValueError if tables cannot be written to files with its ending."""
    path = pathlib.Path(path)
    if path.suffix.lower() not in WRITTEN:
        raise ValueError(
            f"The file of a table must have one of the endings {WRITTEN}. Received: {path}."
        )
    return path


def _write_csv(path, rows, names):
    """Writes floats with enough digits to be read back exactly."""
    formats = {"f": "%.9g" if rows.dtype.itemsize <= 4 else "%.17g"}
    names = names or [f"x{i + 1}" for i in range(rows.shape[1])]
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerow(names)
        np.savetxt(file, rows, formats.get(rows.dtype.kind, "%d"), delimiter=",")


def _write_npy(path, rows, names):
    with open(path, "wb") as file:  # given a path, NumPy would add .npy to .NPY
        np.save(file, rows)


def _write_npz(path, rows, names):
    with open(path, "wb") as file:
        np.savez(file, x=rows, **({} if names is None else {"names": np.array(names, str)}))


WRITERS = {".csv": _write_csv, ".npy": _write_npy, ".npz": _write_npz}
WRITTEN = tuple(WRITERS)
