"""The table of a pandas pickle, read without pandas and without running what is in the file.

Unpickling calls whatever the file names. Here every name becomes a stand-in that notes its
arguments and its state, so nothing is called; the arrays are then put together from the notes.
"""

import io
import pickle
import re

import numpy as np

from keras_flows.data import safe_reading

# What the pickle of a frame names comes from these; anything else is refused at once.
ROOTS = ("pandas", "numpy", "_codecs", "builtins", "__builtin__", "copyreg", "copy_reg")
COLUMNS = 10_000  # at most, where they are numbered
BEFORE_1_3 = "0.14.1"  # key of the state that pandas wrote from then until 1.3


class StandIn:
    """For a class or function that a pickle names: what it was called with, and its state."""

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


class _Unpickler(pickle._Unpickler):  # in C it takes what memory a damaged file asks for
    def find_class(self, module, name):
        if module.split(".")[0] not in ROOTS:
            raise ValueError(f"it would call {module}.{name}, which no table needs")
        return type(name, (StandIn,), {})


def read_frame(path):
    """Names of the columns of a `DataFrame` of numbers, and its values, float64 `(n, d)`.

    Reads what pandas 0.14 to 3 write. Raises ValueError that names the file
    for anything else.

    >>> names, rows = read_frame("ethylene_CO.pickle")
    """
    raw = safe_reading.read_file(path, safe_reading.ARRAY_BYTES)
    try:
        return _table(_Unpickler(io.BytesIO(raw), encoding="latin1").load())  # Python 2's bytes
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
        told = manager.state[3][BEFORE_1_3]
        axes, blocks = told["axes"], [(b["values"], b["mgr_locs"]) for b in told["blocks"]]
    names = _labels(axes[0])
    columns, room = [None] * len(names), safe_reading.ARRAY_BYTES
    for values, places in blocks:
        if places.name == "slice":
            places = range(*slice(*places.args).indices(len(names)))
        else:
            places = _array(places).tolist()
        for place, column in zip(places, _array(values), strict=True):
            room -= 8 * column.size
            if room < 0:
                raise ValueError(f"it would take more than {safe_reading.ARRAY_BYTES:,} bytes")
            columns[place] = column.astype("float64")
    return names, np.stack(columns, axis=1)


def _labels(index):
    """The labels of an axis, as strings."""
    _, told = index.args
    if "data" not in told:
        numbers = range(told["start"], told["stop"], told["step"])
        return [str(i) for i in numbers[:COLUMNS]]
    data = told["data"]
    if data.name not in ("ndarray", "_reconstruct", "_frombuffer"):  # an array around an array
        data = next(x for x in data.state if getattr(x, "name", "") == "_reconstruct")
    return [str(label) for label in _array(data).tolist()]


def _array(part):
    """The array that a stand-in notes."""
    if part.name == "_frombuffer":
        raw, dtype, shape, order = part.args
    else:
        _, shape, dtype, fortran, raw = part.state
        order = "F" if fortran else "C"
    kind = dtype.args[0]
    if kind[0] == "O" and isinstance(raw, list):
        return np.array(raw, object).reshape(shape)
    if not re.fullmatch("[fiu][1248]", kind):
        raise ValueError(f"it has values of dtype {kind}")
    if isinstance(raw, StandIn):  # bytes, as Python 3 writes them for Python 2
        raw = raw.args[0]
    raw = raw.encode("latin1") if isinstance(raw, str) else raw
    byte_order = dtype.state[1] if dtype.state else "="
    return np.frombuffer(raw, np.dtype(kind).newbyteorder(byte_order)).reshape(shape, order=order)
