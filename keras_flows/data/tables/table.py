"""`Table`, the selection of its columns, and checks that a density can be fitted to it."""

import math
import warnings
from dataclasses import dataclass

import numpy as np

MISSING = ("", "?", "nan", "na", "n/a", "null", "none", "<na>")
UNNAMED = ("", "Unnamed: 0")  # headers of a written index: in the file, and as pandas reads it


@dataclass
class Table:
    """`rows`, an array `(n, d)` of float32 or float64, and the `names` of its columns.

    If the file is split, `sizes` has the numbers of training, validation and test rows, which
    follow each other in `rows`. Otherwise it is None.
    """

    names: list
    rows: np.ndarray
    sizes: tuple | None = None


@dataclass(frozen=True)
class Selection:
    """The columns to take: `columns` in that order, or all if it is None, without `drop`."""

    columns: tuple | None = None
    drop: tuple = ()

    @classmethod
    def of(cls, columns, drop):
        columns, drop = ((x,) if isinstance(x, str) else x for x in (columns, drop))
        return cls(None if columns is None else tuple(columns), tuple(drop or ()))

    def places(self, source, names):
        """Positions of the selected columns; ValueError for an unknown name."""
        unknown = [x for x in (*(self.columns or ()), *self.drop) if x not in names]
        if unknown:
            raise ValueError(
                f"{source} has the columns {', '.join(map(str, names))}. "
                f"Received: {', '.join(map(str, unknown))}."
            )
        selected = [x for x in self.columns or names if x not in self.drop]
        if not selected:
            raise ValueError(f"{source} has no column left. Received: drop={list(self.drop)}.")
        if self.columns:
            return [names.index(x) for x in selected]
        return [i for i, x in enumerate(names) if x in selected]


def label(names, column):
    """A column in error messages: its number, counted from 1, and its name."""
    return f"column {column + 1} ({names[column]})"


def problem(field):
    """Why a field is no finite number, or None if it is one."""
    number = to_number(field)
    if field.strip().lower() in MISSING or (number is not None and math.isnan(number)):
        return "missing value; fill it in or leave the row or the column out"
    if number is None:
        return "text instead of a number, which must have a decimal point"
    return "infinite value" if math.isinf(number) else None


def to_number(field):
    """The number in a field of text, or None."""
    try:
        return None if "_" in field else float(field)
    except ValueError:
        return None


def check_finite(place, names, x):
    wrong = ~np.isfinite(x)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            f"{place}, row {row + 1}, {label(names, column)}: {problem(str(x[row, column]))}. "
            f"Received: {x[row, column]}."
        )


def without_index(source, table, header, selection):
    """The table without the row numbers that pandas and R write as an unnamed first column.

    The first column is left out only if it counts from 0 or 1 and the caller has not selected it.
    """
    first, n = table.rows[:, 0], len(table.rows)
    is_selected = selection.columns is not None or table.names[0] in selection.drop
    if is_selected or header not in UNNAMED or table.rows.shape[1] < 2 or n < 2:
        return table
    if first[0] not in (0, 1) or not np.array_equal(first, first[0] + np.arange(n)):
        return table
    warnings.warn(
        f"{source}: the first column has no name and counts from {first[0]:.0f}, so it is treated "
        "as row numbers and left out; name it in `columns` to keep it.",
        stacklevel=4,
    )
    return Table(table.names[1:], table.rows[:, 1:], table.sizes)


def training_rows(table):
    return table.rows[: table.sizes[0]] if table.sizes else table.rows


def check_spread(source, table):
    """ValueError for too few rows or a constant column, which has no density."""
    train = training_rows(table)
    if len(train) < 2 or (table.sizes and not all(table.sizes)):
        raise ValueError(
            f"{source} has {'too few' if len(train) else 'no'} rows: fitting a density takes 2 or "
            f"more, measuring it 1 or more. Received: {table.sizes or len(train)}."
        )
    constant = np.flatnonzero(train.min(axis=0) == train.max(axis=0))
    if len(constant):
        raise ValueError(
            f"{source}, {label(table.names, constant[0])} is constant, so its density would be "
            f"infinite; leave the column out. Received: {train[0, constant[0]]} in every row."
        )


def hints(table):
    """Sentences about columns with few different values, whose density grows without bound.

    These are columns of integers with fewer than one value for 2 training rows, and other columns
    with fewer than one value for 10 rows. A flow can put more and more density on few values, so
    its likelihood is meaningless.

    >>> for hint in keras_flows.data.tables.hints(table): print(hint)
    """
    train = training_rows(table)
    sample = train[:: max(1, len(train) // 10_000)]  # about 10,000 rows at most, evenly spaced
    sentences = []
    for column in range(train.shape[1]):
        if _repeats(sample[:, column]) and _repeats(train[:, column]):
            x = train[:, column]
            integers, values = (x == np.round(x)).all(), len(np.unique(x))
            kind = "has only integers," if integers else "has only"
            noise = "of width 1" if integers else "as wide as the gaps between values"
            sentences.append(
                f"{label(table.names, column)} {kind} {values} different values in {len(x)} rows: "
                f"its density grows without bound; add uniform noise {noise}, or use the "
                "column as context."
            )
    return sentences


def _repeats(x):
    rows_per_value = 2 if (x == np.round(x)).all() else 10
    return rows_per_value * len(np.unique(x)) <= len(x)
