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

    csv: fields are separated by commas, semicolons or tabs. The first row is a header unless all
    of its fields are numbers. An unnamed first column that counts the rows, as pandas and R write
    it, is left out with a warning.

    npz: one array, or the array `data` or `x`, or the three arrays `train`, `validation` (or
    `val`) and `test`. `names` or `columns` may have the column names.

    Columns without a name are called x1, x2 and so on. Parquet needs pandas and pyarrow.

    Args:
        source: path of the file, or a DataFrame of pandas, or of another
            library whose frames have `columns` and `to_numpy()`.
        columns: names of the columns to take, in this order; None takes all.
            Other columns are not read, so they may contain text.
        drop: names of columns to leave out.
        fit: whether a density will be fitted to the rows. If so, a constant
            column or fewer than 2 rows raise an error, and `hints` about
            columns of repeated values become warnings.

    Raises FileNotFoundError, or ValueError that names the place of the problem, such as a missing
    value or a constant column.

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
        raise ValueError(f"A table must have one of the endings {SUFFIXES}. Received: {path}.")
    if not path.exists():
        raise FileNotFoundError(f"No table at {path}.")
    if not path.is_file():
        raise ValueError(f"A table must be a regular file. Received: {path}.")
    return path
