"""`write`: a table to a file."""

import csv
import pathlib

import numpy as np

from keras_flows.files import written_whole


def write(path, rows, names=None):
    """Writes an array `(n, d)` to a csv, npy or npz file that `read` takes.

    csv has the names of the columns as its first line and digits enough to
    read the same numbers again; npz has `x`, and `names` where there are any;
    npy has no place for names. Columns without a name are called x1, x2 and so
    on. The file is replaced once all is written. Raises ValueError for another
    ending, or another number of names than of columns.

    >>> keras_flows.data.tables.write("rows.csv", flow.sample(1000), ["acid", "sugar"])
    """
    path, rows = check_writable(path), np.asarray(rows)
    if rows.ndim != 2 or (names is not None and len(names) != rows.shape[1]):
        raise ValueError(
            "A table to write is an array of shape (rows, columns), with a name for each column or "
            f"none. Received: shape={rows.shape}, names={names}."
        )
    with written_whole(path) as partial:
        WRITERS[path.suffix.lower()](partial, rows, names)


def check_writable(path):
    """The path, if a table can be written to a file of its ending; else ValueError."""
    path = pathlib.Path(path)
    if path.suffix.lower() not in WRITTEN:
        raise ValueError(
            f"A table is written to a file with one of the endings {WRITTEN}. Received: {path}."
        )
    return path


def _write_csv(path, rows, names):
    """Floats with digits enough to be the same when read again."""
    formats = {"f": "%.9g" if rows.dtype.itemsize <= 4 else "%.17g"}
    names = names or [f"x{i + 1}" for i in range(rows.shape[1])]
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerow(names)
        np.savetxt(file, rows, formats.get(rows.dtype.kind, "%d"), delimiter=",")


def _write_npy(path, rows, names):
    with open(path, "wb") as file:  # numpy would add an ending to a path that ends in .NPY
        np.save(file, rows)


def _write_npz(path, rows, names):
    with open(path, "wb") as file:
        np.savez(file, x=rows, **({} if names is None else {"names": np.array(names, str)}))


WRITERS = {".csv": _write_csv, ".npy": _write_npy, ".npz": _write_npz}
WRITTEN = tuple(WRITERS)
