"""Rows of tables and contexts in the dtype and shape that a flow takes."""

import zipfile
from pathlib import Path

import keras
import numpy as np

from keras_flows.data import tables


def is_table_file(path):
    """Whether the data are a table, by the ending of the file and by the arrays in npz and npy."""
    if path.suffix.lower() == ".npz" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            return "x_test.npy" not in file.namelist()  # a data set of pictures has it
    if path.suffix.lower() == ".npy" and path.is_file():
        try:
            return np.load(path, mmap_mode="r").ndim < 3  # pictures have more
        except ValueError:
            return True  # reading it raises an error that says what is wrong
    return path.suffix.lower() in tables.SUFFIXES and not path.is_dir()


def read_rows(args, flow):
    """The rows of --data, or the test rows if the file has parts."""
    rows, names = _read(args.data, args.columns, args.drop)
    if len(flow.data_shape) != 1 or rows.shape[1] != flow.dims:
        listed = ", ".join(names[:20]) + ", ..." * (len(names) > 20)
        raise ValueError(
            f"The model takes samples of shape {flow.data_shape}, {args.data} has {rows.shape[1]} "
            f"columns; --columns and --drop choose among them. Received: {listed}."
        )
    return _as_input(rows, flow.encoder.inputs[0], args.data)


class Context:
    """The contexts of --context: for each context input an array of n rows, or of one row.

    Raises ValueError if there are more or fewer contexts than inputs, for rows
    of another width, and if the numbers of rows differ.
    """

    def __init__(self, sources, flow):
        inputs, sources = flow.encoder.inputs[1:], sources or []
        optional = flow.labels_optional and not sources
        if len(sources) != len(inputs) and not optional:
            shapes = [tuple(tensor.shape[1:]) for tensor in inputs]
            raise ValueError(
                f"The model has {len(inputs) or 'no'} inputs of context, of shapes {shapes}; give "
                f"--context once for each of them. Received: {' '.join(sources) or 'no --context'}."
            )
        self.arrays = [_context(source, tensor) for source, tensor in zip(sources, inputs)]
        counts = {len(array) for array in self.arrays} - {1}
        if len(counts) > 1:
            raise ValueError(
                "Contexts have one row for all samples or one for each. "
                f"Received: {' '.join(sources)}, of {' and '.join(map(str, sorted(counts)))} rows."
            )
        self.rows = counts.pop() if counts else 1

    def check(self, samples):
        """Raises ValueError unless there is one row for each sample, or one for all."""
        if self.rows not in (1, samples):
            raise ValueError(
                "A context has one row for all samples or one for each. "
                f"Received: {self.rows} rows of context for {samples} samples."
            )

    def first(self, n=None):
        """The context of the first n samples, for `context=` of the flow's methods."""
        arrays = [array[0] if len(array) == 1 else array[:n] for array in self.arrays]
        return (arrays if len(arrays) > 1 else arrays[0]) if arrays else None


def _context(source, tensor):
    """Rows of context, or a vector if the input is one number a sample, such as a label."""
    try:
        rows = np.array([[float(x) for x in source.split(",")]])
    except ValueError:
        rows, _ = _read(Path(source))
    width = tensor.shape[-1] if len(tensor.shape) > 1 else 1
    if rows.shape[1] != width:
        raise ValueError(
            f"The model takes a context of {width} numbers, --context {source} has "
            f"{rows.shape[1]}. Received: shape={rows.shape}."
        )
    if not np.isfinite(rows).all():
        raise ValueError(f"A context must have finite numbers. Received: --context {source}.")
    rows = _as_input(rows, tensor, f"--context {source}")
    return rows if len(tensor.shape) > 1 else rows[:, 0]


def _read(path, columns=None, drop=None):
    """Rows to measure, and names of columns. One row or constant columns are enough."""
    table = tables.read(path, columns, drop or (), fit=False)
    rows = table.rows[-table.sizes[2] :] if table.sizes else table.rows
    if not len(rows) or (table.sizes and not table.sizes[2]):
        raise ValueError(f"{path} has no rows. Received: {table.sizes or len(rows)}.")
    return rows, table.names


def _as_input(rows, tensor, place):
    """Rows in the dtype of a tensor. Raises ValueError for fractions if it takes integers."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    if keras.backend.is_float_dtype(dtype):
        return rows.astype(dtype)
    fractions = rows[rows != np.round(rows)]
    if len(fractions):
        raise ValueError(
            f"The model takes integers, {place} has fractions. Received: {fractions[0]}."
        )
    return rows.astype("int64")  # the flow checks their range
