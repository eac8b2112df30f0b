"""`read_frame`: the table in a pandas pickle, without pandas and without running its code.

Unpickling calls the classes and functions that the file names. Here each name becomes a stand-in
that only records its arguments and its state. The arrays are then built from these records.
"""

import io
import pickle
import re

import numpy as np

from keras_flows.data import safe_reading

# The packages that the pickle of a frame may name.
ROOTS = ("pandas", "numpy", "_codecs", "builtins", "__builtin__", "copyreg", "copy_reg")
MAX_COLUMNS = 10_000  # of a frame whose columns are numbered
OLD_STATE = "0.14.1"  # key of the state that pandas 0.14.1 to 1.2 write


class StandIn:
    """Replaces a class or function that a pickle names; records its arguments and state."""

    state = ()

    def __new__(cls, *args, **kwargs):
        self = super().__new__(cls)
        self.args = args
        return self

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        self.state = state

    @property
    def name(self):
        return type(self).__name__


class _Unpickler(pickle._Unpickler):  # the one in C allocates what a damaged file asks for
    def find_class(self, module, name):
        if module.split(".")[0] not in ROOTS:
            raise ValueError(f"it would call {module}.{name}, which no table needs")
        return type(name, (StandIn,), {})


def read_frame(path):
    """The column names and the values, float64 `(n, d)`, of a pickled `DataFrame` of numbers.

    Reads pickles of pandas 0.14 to 3. Raises ValueError that names the file for anything else.

    >>> names, rows = read_frame("ethylene_CO.pickle")
    """
    raw = safe_reading.read_file(path, safe_reading.ARRAY_BYTES)
    try:
        return _table(_Unpickler(io.BytesIO(raw), encoding="latin1").load())  # bytes of Python 2
    except Exception as error:  # A damaged pickle can raise anything.
        reason = error if isinstance(error, ValueError) else repr(error)
        raise ValueError(f"{path} is no pickle of a table of numbers: {reason}") from error


def _table(frame):
    if getattr(frame, "name", None) != "DataFrame":
        raise ValueError(f"it holds {getattr(frame, 'name', type(frame).__name__)}")
    manager = frame.state["_mgr" if "_mgr" in frame.state else "_data"]
    if manager.args:
        blocks, axes = manager.args
        blocks = [block.args[:2] for block in blocks]
    else:
        state = manager.state[3][OLD_STATE]
        axes, blocks = state["axes"], [(b["values"], b["mgr_locs"]) for b in state["blocks"]]
    names = _labels(axes[0])
    columns, free_bytes = [None] * len(names), safe_reading.ARRAY_BYTES
    for values, places in blocks:
        if places.name == "slice":
            places = range(*slice(*places.args).indices(len(names)))
        else:
            places = _array(places).tolist()
        for place, column in zip(places, _array(values), strict=True):
            free_bytes -= 8 * column.size
            if free_bytes < 0:
                raise ValueError(f"it would take more than {safe_reading.ARRAY_BYTES:,} bytes")
            columns[place] = column.astype("float64")
    return names, np.stack(columns, axis=1)


def _labels(index):
    """The labels of an axis, as strings."""
    _, options = index.args
    if "data" not in options:
        numbers = range(options["start"], options["stop"], options["step"])
        return [str(i) for i in numbers[:MAX_COLUMNS]]
    data = options["data"]
    if data.name not in ("ndarray", "_reconstruct", "_frombuffer"):  # a class that wraps an array
        data = next(x for x in data.state if getattr(x, "name", "") == "_reconstruct")
    return [str(label) for label in _array(data).tolist()]


def _array(record):
    """The array that a stand-in records."""
    if record.name == "_frombuffer":
        raw, dtype, shape, order = record.args
    else:
        _, shape, dtype, fortran, raw = record.state
        order = "F" if fortran else "C"
    kind = dtype.args[0]
    if kind[0] == "O" and isinstance(raw, list):
        return np.array(raw, object).reshape(shape)
    if not re.fullmatch("[fiu][1248]", kind):
        raise ValueError(f"it has values of dtype {kind}")
    if isinstance(raw, StandIn):  # bytes in protocol 2, as Python 3 writes them
        raw = raw.args[0]
    raw = raw.encode("latin1") if isinstance(raw, str) else raw
    byte_order = dtype.state[1] if dtype.state else "="
    return np.frombuffer(raw, np.dtype(kind).newbyteorder(byte_order)).reshape(shape, order=order)
