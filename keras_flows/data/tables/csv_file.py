"""Tables in csv files."""

import csv
import math
import warnings

import numpy as np

from keras_flows.data.tables.table import MISSING, Table, label, problem, to_number, without_index


def read_csv(path, selection):
    """Reads with NumPy's parser; if that fails, reads again, slowly, to find the wrong field."""
    try:
        delimiter, header, skip = _head(path)
        names = [x or f"x{i + 1}" for i, x in enumerate(header)]
        used = selection.places(path, names)
        all_used = used == list(range(len(names)))
        if not all_used:
            _find_error(path, delimiter, names, skip, used)
        rows, error = _parse(path, delimiter, skip, None if all_used else used)
        ragged = rows is None or (len(rows) and rows.shape[1] != len(used))
        if ragged or not np.isfinite(rows).all():
            _find_error(path, delimiter, names, skip, used)
            raise ValueError(f"{path} is no table of numbers. Received: {error or rows}.")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8. Received: {error}.") from None
    except csv.Error as error:
        raise ValueError(f"{path} is no csv file. Received: {error}.") from None
    table = Table([names[i] for i in used], rows)
    return without_index(path, table, header[used[0]], selection) if used[0] == 0 else table


def _open(path):
    return open(path, newline="", encoding="utf-8-sig")


def _head(path):
    """The delimiter, the header and the number of lines before the first row of numbers.

    The header has a name for each column; names may be empty.
    """
    with _open(path) as file:
        lines = (line for line in file if line.strip())
        first, second = next(lines, ""), next(lines, "")
    # Names may contain any delimiter and numbers a comma, so the second line decides first.
    delimiter = next((d for line in (second, first) for d in "\t;," if d in line), ",")
    with _open(path) as file:
        reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
        row = next((row for row in reader if row), None)
        if row is None:
            raise ValueError(f"{path} has no rows. Received: an empty file.")
        if all(to_number(x) is not None or x.strip().lower() in MISSING for x in row):
            return delimiter, [f"x{i + 1}" for i in range(len(row))], 0
        return delimiter, [x.strip() for x in row], reader.line_num


def _parse(path, delimiter, skip, used):
    """The rows and None, or None and the error."""
    options = {"encoding": "utf-8-sig", "comments": None, "quotechar": '"', "ndmin": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about files without rows
        try:
            options |= {"delimiter": delimiter, "skiprows": skip, "usecols": used}
            return np.loadtxt(str(path), **options), None
        except UnicodeDecodeError:
            raise
        except ValueError as error:
            return None, error


def _find_error(path, delimiter, names, skip, used):
    """ValueError for the first field that is no number, or the first row of another length."""
    with _open(path) as file:
        reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
        for row in reader:
            complete = len(row) == len(names)
            if reader.line_num <= skip or not row or (complete and _is_finite(row, used)):
                continue
            place = f"{path}, line {reader.line_num}"
            if not complete:
                raise ValueError(
                    f"{place} should have {len(names)} columns, like the first row. "
                    f"Received: {len(row)}."
                )
            for column in used:
                description = problem(row[column])
                if description:
                    raise ValueError(
                        f"{place}, {label(names, column)}: {description}. "
                        f"Received: {row[column]!r}."
                    )


def _is_finite(row, used):
    """A quick test whether all fields are finite numbers; may be False for huge numbers."""
    try:
        return math.isfinite(sum(float(row[i]) for i in used))
    except ValueError:
        return False
