"""`read`: a table from a file or a DataFrame."""

import pathlib
import warnings

from keras_flows.data.tables.arrays import read_arrays
from keras_flows.data.tables.csv_file import read_csv
from keras_flows.data.tables.frames import is_frame, read_frame, read_parquet
from keras_flows.data.tables.table import Selection, check_spread, hints

READERS = {
    ".csv": read_csv,
    ".npz": read_arrays,
    ".npy": read_arrays,
    ".parquet": read_parquet,
}
SUFFIXES = tuple(READERS)


def read(source, columns=None, drop=(), fit=True):
    """The table in a csv, npz, npy or parquet file, or in a DataFrame.

    csv: fields between commas, semicolons or tabs; a first row that is not all
    numbers is the header. A first column without a name that counts the rows,
    as pandas and R write it, is left out with a warning. npz: one array, or
    the one called `data` or `x`, or the three `train`, `validation` (or `val`)
    and `test`; `names` or `columns` may hold the names. Columns without a name
    are called x1, x2 and so on. Parquet needs pandas and pyarrow.

    Args:
        source: path of the file, or a DataFrame of pandas, or of another
            library whose frames have `columns` and `to_numpy()`.
        columns: names of the columns to take, in this order; None for all.
            What the others hold is not looked at, so it may be text.
        drop: names of columns to leave out.
        fit: whether a density is to be fitted to the rows. If so, a constant
            column or fewer than 2 rows are an error, and the `hints` on
            columns of repeated values are given as warnings.

    Raises FileNotFoundError, or ValueError that says what in the file is no
    table to fit a density to, such as a missing value or a constant column.

    >>> keras_flows.data.tables.read("wine.csv", drop=["quality"]).rows.shape
    """
    selection = Selection.of(columns, drop)
    if is_frame(source):
        place, table = "The DataFrame", read_frame(source, selection)
    else:
        place = _regular_file(pathlib.Path(source))
        table = READERS[place.suffix.lower()](place, selection)
    if fit:
        check_spread(place, table)
        for hint in hints(table):
            warnings.warn(f"{place}, {hint}", stacklevel=2)
    return table


def _regular_file(path):
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"A table is a file with one of the endings {SUFFIXES}. Received: {path}.")
    if not path.exists():
        raise FileNotFoundError(f"No table at {path}.")
    if not path.is_file():
        raise ValueError(f"A table is read from a regular file. Received: {path}.")
    return path
