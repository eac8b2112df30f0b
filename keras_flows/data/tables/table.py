"""`Table`, which of its columns are taken, and what makes it no data for a density."""

import math
import warnings
from dataclasses import dataclass

import numpy as np

MISSING = ("", "?", "nan", "na", "n/a", "null", "none", "<na>")
UNNAMED = ("", "Unnamed: 0")  # the header of a written index, and what pandas reads it as


@dataclass
class Table:
    """`rows`, an array `(n, d)` of float32 or float64, and the `names` of its columns.

    Where the file keeps training, validation and test rows apart, `sizes` says
    how many rows each has; in `rows` they stand one after another.
    """

    names: list
    rows: np.ndarray
    sizes: tuple | None = None


@dataclass(frozen=True)
class Selection:
    """The columns to take: all or those of `columns`, in that order, but none of `drop`."""

    columns: tuple | None = None
    drop: tuple = ()

    @classmethod
    def of(cls, columns, drop):
        columns, drop = ((x,) if isinstance(x, str) else x for x in (columns, drop))
        return cls(None if columns is None else tuple(columns), tuple(drop or ()))

    def places(self, source, names):
        """Positions of the columns; ValueError for a name that is not there."""
        unknown = [x for x in (*(self.columns or ()), *self.drop) if x not in names]
        if unknown:
            raise ValueError(
                f"{source} has the columns {', '.join(map(str, names))}. "
                f"Received: {', '.join(map(str, unknown))}."
            )
        taken = [x for x in self.columns or names if x not in self.drop]
        if not taken:
            raise ValueError(f"{source} has no column left. Received: drop={list(self.drop)}.")
        if self.columns:
            return [names.index(x) for x in taken]
        return [i for i, x in enumerate(names) if x in taken]


def label(names, column):
    """How an error calls a column, by its number, from 1, and its name."""
    return f"column {column + 1} ({names[column]})"


def problem(field):
    """What keeps a field from being a finite number, or None."""
    number = to_number(field)
    if field.strip().lower() in MISSING or (number is not None and math.isnan(number)):
        return "missing value; fill it in or leave the row or the column out"
    if number is None:
        return "text where a number should be, with a point before its decimals"
    return "infinite value" if math.isinf(number) else None


def to_number(field):
    """The number that a field of text holds, or None."""
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
    """The table without the row numbers that pandas and R write as a first, unnamed column.

    Only where the first of all columns counts from 0 or 1, and nobody chose the columns.
    """
    first, n = table.rows[:, 0], len(table.rows)
    chosen = selection.columns is not None or table.names[0] in selection.drop
    if chosen or header not in UNNAMED or table.rows.shape[1] < 2 or n < 2:
        return table
    if first[0] not in (0, 1) or not np.array_equal(first, first[0] + np.arange(n)):
        return table
    warnings.warn(
        f"{source}: the first column has no name and counts from {first[0]:.0f}, so it is taken "
        "for row numbers and left out; `columns` takes it in.",
        stacklevel=4,
    )
    return Table(table.names[1:], table.rows[:, 1:], table.sizes)


def training_rows(table):
    return table.rows[: table.sizes[0]] if table.sizes else table.rows


def check_spread(source, table):
    """ValueError where there are too few rows, or a column that has no density."""
    train = training_rows(table)
    if len(train) < 2 or (table.sizes and not all(table.sizes)):
        raise ValueError(
            f"{source} has {'too few' if len(train) else 'no'} rows: a density is fitted to 2 or "
            f"more, and measured on 1 or more. Received: {table.sizes or len(train)}."
        )
    constant = np.flatnonzero(train.min(axis=0) == train.max(axis=0))
    if len(constant):
        raise ValueError(
            f"{source}, {label(table.names, constant[0])} is constant, so its density would be "
            f"infinite; leave the column out. Received: {train[0, constant[0]]} in every row."
        )


def hints(table):
    """Sentences about columns whose density grows without bound, since their values repeat.

    Columns of integers with less than one value to 2 training rows, and any
    others with less than one to 10. A flow can put ever more density on few
    values, so that its likelihood says nothing.

    >>> for hint in keras_flows.data.tables.hints(table): print(hint)
    """
    train = training_rows(table)
    some = train[:: max(1, len(train) // 10_000)]  # all of few rows, evenly spaced ones of many
    found = []
    for column in range(train.shape[1]):
        if _repeats(some[:, column]) and _repeats(train[:, column]):
            x = train[:, column]
            whole, values = (x == np.round(x)).all(), len(np.unique(x))
            kind = "holds integers only," if whole else "holds only"
            noise = "of width 1" if whole else "as wide as the gaps between values"
            found.append(
                f"{label(table.names, column)} {kind} {values} different values in {len(x)} rows: "
                f"a density of it grows without bound; add uniform noise {noise}, or use the "
                "column as context."
            )
    return found


def _repeats(x):
    rows_a_value = 2 if (x == np.round(x)).all() else 10
    return rows_a_value * len(np.unique(x)) <= len(x)
