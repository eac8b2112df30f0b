"""Tables of numbers from csv, npz and npy. Errors name the file, the row and the column."""

import contextlib
import csv
import math
import pathlib
import warnings
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np

SUFFIXES = (".csv", ".npz", ".npy")
MISSING = ("", "?", "nan", "na", "n/a", "null", "none")
SPLITS = (("train",), ("validation", "val"), ("test",))
NAMES = ("names", "columns")  # keys of an npz that may hold the columns' names


@dataclass
class Table:
    """`rows`, an array `(n, d)` of float32 or float64, and the `names` of its columns.

    Where the file keeps training, validation and test rows apart, `sizes` says
    how many rows each has; in `rows` they stand one after another.
    """

    names: list
    rows: np.ndarray
    sizes: tuple | None = None


def read(path):
    """The table in a csv, npz or npy file.

    csv: fields between commas, semicolons or tabs; a first row that is not all
    numbers is the header. npz: one array, or the one called `data` or `x`, or
    the three `train`, `validation` (or `val`) and `test`; `names` or `columns`
    may hold the names. Columns without a name are called x1, x2 and so on.

    Raises FileNotFoundError, or ValueError that says what in the file is no
    table to fit a density to, such as a missing value or a constant column.

    >>> keras_flows.tables.read("wine.csv").rows.shape
    """
    path = pathlib.Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"A table is a file with one of the endings {SUFFIXES}. Received: {path}.")
    if not path.is_file():
        raise FileNotFoundError(f"No table at {path}.")
    table = _read_csv(path) if suffix == ".csv" else _read_arrays(path, suffix)
    _check_spread(path, table)
    return table


def label(names, column):
    """How an error calls a column, by its number, from 1, and its name."""
    return f"column {column + 1} ({names[column]})"


def _check_spread(path, table):
    """ValueError where there are too few rows, or a column that has no density."""
    train = table.rows[: table.sizes[0]] if table.sizes else table.rows
    if len(train) < 2 or (table.sizes and not all(table.sizes)):
        raise ValueError(
            f"{path} has {'too few' if len(train) else 'no'} rows: a density is fitted to 2 or more"
            f", and measured on 1 or more. Received: {table.sizes or len(train)}."
        )
    constant = np.flatnonzero(train.min(axis=0) == train.max(axis=0))
    if len(constant):
        raise ValueError(
            f"{path}, {label(table.names, constant[0])} is constant, so its density would be "
            f"infinite; leave the column out. Received: {train[0, constant[0]]} in every row."
        )


def _read_csv(path):
    """By numpy's parser; what that refuses is read again, slowly, for the place of the error."""
    try:
        delimiter, names, skip = _head(path)
        rows, error = _parse(path, delimiter, skip)
        ragged = rows is None or (len(rows) and rows.shape[1] != len(names))
        if ragged or not np.isfinite(rows).all():
            _find_error(path, delimiter, names, skip)
            raise ValueError(f"{path} is no table of numbers. Received: {error or rows}.")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8. Received: {error}.") from None
    except csv.Error as error:
        raise ValueError(f"{path} is no csv file. Received: {error}.") from None
    return Table(names, rows)


def _open(path):
    return open(path, newline="", encoding="utf-8-sig")


def _head(path):
    """The delimiter, the names and the number of lines before the first row of numbers."""
    with _open(path) as file:
        lines = (line for line in file if line.strip())
        first, second = next(lines, ""), next(lines, "")
    # A name may contain any of them, and a number a comma, so the second line is asked first.
    delimiter = next((d for line in (second, first) for d in "\t;," if d in line), ",")
    with _open(path) as file:
        reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
        row = next((row for row in reader if row), None)
        if row is None:
            raise ValueError(f"{path} has no rows. Received: an empty file.")
        names = [f"x{i + 1}" for i in range(len(row))]
        if all(_number(x) is not None or x.strip().lower() in MISSING for x in row):
            return delimiter, names, 0
        return delimiter, [x.strip() or name for x, name in zip(row, names)], reader.line_num


def _parse(path, delimiter, skip):
    """The rows and None, or None and the error."""
    options = {"encoding": "utf-8-sig", "comments": None, "quotechar": '"', "ndmin": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about files without rows
        try:
            return np.loadtxt(str(path), delimiter=delimiter, skiprows=skip, **options), None
        except UnicodeDecodeError:
            raise
        except ValueError as error:
            return None, error


def _find_error(path, delimiter, names, skip):
    """ValueError for the first field that is no number, and for the first row too short or long."""
    with _open(path) as file:
        reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
        for row in reader:
            if reader.line_num <= skip or not row or (len(row) == len(names) and _fine(row)):
                continue
            place = f"{path}, line {reader.line_num}"
            if len(row) != len(names):
                raise ValueError(
                    f"{place} should have {len(names)} columns, as the first row has. "
                    f"Received: {len(row)}."
                )
            for column, field in enumerate(row):
                problem = _problem(field)
                if problem:
                    raise ValueError(
                        f"{place}, {label(names, column)}: {problem}. Received: {field!r}."
                    )


def _fine(row):
    """Whether all fields are finite numbers, the quick way; may be False for huge ones."""
    try:
        return math.isfinite(sum(map(float, row)))
    except ValueError:
        return False


def _number(field):
    try:
        return None if "_" in field else float(field)
    except ValueError:
        return None


def _problem(field):
    number = _number(field)
    if field.strip().lower() in MISSING or (number is not None and math.isnan(number)):
        return "missing value; fill it in or leave the row or the column out"
    if number is None:
        return "text where a number should be, with a point before its decimals"
    return "infinite value" if math.isinf(number) else None


def _read_arrays(path, suffix):
    found = _load_npy(path) if suffix == ".npy" else _load_npz(path)
    names = next((found.pop(key).tolist() for key in NAMES if key in found), None)
    arrays = {key: _matrix(f"{path}, {key}", x) for key, x in found.items()}
    width = next(iter(arrays.values())).shape[1]
    names = [str(x) for x in names or (f"x{i + 1}" for i in range(width))]
    for key, x in arrays.items():
        if x.shape[1] != len(names):
            raise ValueError(
                f"{path}, {key} should have {len(names)} columns, as the names or the first array "
                f"have. Received: shape={x.shape}."
            )
        _check_finite(f"{path}, {key}", names, x)
    sizes = tuple(len(x) for x in arrays.values()) if len(arrays) > 1 else None
    return Table(names, np.concatenate(list(arrays.values())), sizes)


def _load_npy(path):
    with _damage_named(path), open(path, "rb") as file:
        return {"array": np.lib.format.read_array(file, allow_pickle=False)}


def _load_npz(path):
    """The arrays of the table in their order, and its names."""
    with _damage_named(path), zipfile.ZipFile(path) as file:
        keys = [name.removesuffix(".npy") for name in file.namelist()]
    names = [key for key in NAMES if key in keys][:1]
    others = [key for key in keys if key not in NAMES]
    splits = [next((key for key in split if key in keys), None) for split in SPLITS]
    wanted = splits if all(splits) else [key for key in ("data", "x") if key in keys][:1]
    wanted = wanted or others
    if not all(splits) and len(wanted) != 1:
        raise ValueError(
            f"{path} should hold one array, or one called data or x, or the three train, "
            f"validation and test. Received: keys {keys}."
        )
    with _damage_named(path), np.load(path) as file:
        return {key: file[key] for key in (*wanted, *names)}


@contextlib.contextmanager
def _damage_named(path):
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"{path} is damaged or holds no numbers. Received: {error}") from error


def _matrix(place, x):
    """A matrix of float32 or float64; a vector becomes one column."""
    x = np.asarray(x)
    if x.dtype.kind not in "fiub" or x.ndim not in (1, 2) or not x.shape[-1]:
        raise ValueError(
            f"{place} should be real numbers of shape (rows, columns). "
            f"Received: dtype={x.dtype}, shape={x.shape}."
        )
    x = x[:, None] if x.ndim == 1 else x
    return x.astype("float32" if x.dtype in ("float16", "float32") else "float64", copy=False)


def _check_finite(place, names, x):
    wrong = ~np.isfinite(x)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            f"{place}, row {row + 1}, {label(names, column)}: {_problem(str(x[row, column]))}. "
            f"Received: {x[row, column]}."
        )
