"""Tables in DataFrames, of pandas or another library, and in parquet files."""

import numpy as np

from keras_flows.data.tables.table import Table, check_finite, label, problem, without_index


def is_frame(source):
    return hasattr(source, "columns") and hasattr(source, "to_numpy")


def read_frame(frame, selection, place="The DataFrame"):
    """The table of a DataFrame's columns, without its index."""
    header = [str(name) for name in frame.columns]
    names = [x or f"x{i + 1}" for i, x in enumerate(header)]
    used = selection.places(place, names)
    rows = np.asarray(frame.to_numpy())[:, used]
    names = [names[i] for i in used]
    if rows.dtype.kind not in "fiub":
        rows = _numbers(place, names, rows)
    rows = rows.astype("float32" if rows.dtype in ("float16", "float32") else "float64")
    check_finite(place, names, rows)
    table = Table(names, rows)
    return without_index(place, table, header[used[0]], selection) if used[0] == 0 else table


def read_parquet(path, selection):
    """Reads with pandas, which needs pyarrow or fastparquet."""
    try:
        import pandas

        frame = pandas.read_parquet(path)
    except ImportError as error:
        raise ImportError(
            f"{path} is read with pandas: pip install pandas pyarrow. Received: {error}"
        ) from None
    except Exception as error:  # pyarrow raises errors of many classes.
        raise ValueError(f"{path} is damaged or no parquet file. Received: {error}") from error
    return read_frame(frame, selection, str(path))


def _numbers(place, names, rows):
    """An array of objects as float64; ValueError for the first that is no number."""
    numbers = np.empty(rows.shape, "float64")
    for (i, j), value in np.ndenumerate(rows):
        try:
            numbers[i, j] = value
        except (TypeError, ValueError):
            raise ValueError(
                f"{place}, row {i + 1}, {label(names, j)}: {problem(str(value)) or 'no number'}. "
                f"Received: {value!r}."
            ) from None
    return numbers
