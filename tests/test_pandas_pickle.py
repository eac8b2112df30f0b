"""Tables in pickles: of old and of current pandas, and pickles that would run code."""

import base64
import pickle
import zlib

import numpy as np
import pytest

from keras_flows.data import pandas_pickle, table_splits

ROWS = [[0, 0.5, 4, 7], [1, 1.5, 5, 8], [2, 2.5, 6, 9]]
# pandas 3.1: DataFrame({"Time": integers, "a": floats, "b": float32, "c": floats}).
PANDAS_3 = (
    "eNqFU01v00AQtVOn0KZ8S6FIVUGcwiXiwIEDUkobgaiFkQrXarW2N7EVe22t12ojUVEOTVtpbww981P4KfwFbr3B7N"
    "qhMUJiJXvW3p03M2/eHLe/3nEss9RyTnlIC1ArQyrpK0FTBl/gyWc4gp5ySDoWoDarO/0gE6wfc8kEp0nRTymnYybQ"
    "d207yYLJ2+ob3VW39iBJ7BdXLqBukZLncTBJGPG1j758j5dpPu0TA497JuIAVIeMRJb65WhkIHsX61Zz2bVt1RZU2w"
    "ChDeU012WoVvwczs9OYQ967pKyX4Dnebu/cJmXa0nwXdtdmoGyd0DiNXXdL+NExhxzbRdJHGgY18JLtkZxW/oddaKb"
    "vYunjWx+DCp7WVtnq7IbtX1U28dbEN1VrdFCXlH3H1m1dFbRA51TtInh21XoxQTW/gQ/RvBv+HyvwZ/9B9xugGOoxe"
    "pOYR9bv97secgOWdH3acFArRLODsgb/Q/JiSzVnu+NZkLUETa1oQAqBJ0ipRuE5NPDKw14w5f6ZJsGExbqht2o3eYO"
    "nfdSxHxsbuH57sPln45nKLDmZ8N5s5fzqYwyDq8/XVa0zHRDu4vqSkvsrcFG0RLBgowXUpSB1IXcVtcwdh3JtU5gx/"
    "ahotF2nRND7buGnj7+pacBknuu2XM+xDhHykYiEEPZATA8moGvHK4nzCt1btEAq1jdo3zMFhiMxh5KT1IhMQnlFDLL"
    "AYPhhuHGNp7MlOYQLB0nVzM+MpOrVkjKJDUt2EcFUylxPo+QGzJK6Nhs79MkyQ4KEpY56ptKRhLqMxzOs6L0+78BCj"
    "mElA=="
)


def write(path, value):
    path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, protocol=2))
    return path


class DataFrame:
    """What pandas pickled in 2016, under names of this module, which `old` replaces."""


class BlockManager:
    def __init__(self, state):
        self.state = state

    def __getstate__(self):
        return self.state


class Index:
    def __init__(self, state):
        self.state = state

    def __reduce__(self):
        return _new_Index, (Index, self.state)


def _new_Index(cls, state):
    raise AssertionError("called")


MODULES = {
    "DataFrame": "pandas.core.frame",
    "BlockManager": "pandas.core.internals",
    "Index": "pandas.core.index",
    "_new_Index": "pandas.indexes.base",
}


def old(blocks, names):
    """The pickle of a frame, as pandas 0.20 wrote it: names, states and nesting."""
    axes = [Index({"data": np.array(names, object), "name": None}), Index({"start": 0})]
    states = [{"values": values, "mgr_locs": places} for values, places in blocks]
    frame = DataFrame()
    manager = BlockManager((axes, [], [], {"0.14.1": {"axes": axes, "blocks": states}}))
    frame.__dict__.update({"_data": manager, "_typ": "dataframe", "_metadata": []})
    raw = pickle.dumps(frame, protocol=2)
    for name, module in MODULES.items():
        raw = raw.replace(f"c{__name__}\n{name}\n".encode(), f"c{module}\n{name}\n".encode())
    assert __name__.encode() not in raw
    return raw


def test_a_frame_of_pandas_3(tmp_path):
    path = write(tmp_path / "x.pickle", zlib.decompress(base64.b64decode(PANDAS_3)))
    names, rows = pandas_pickle.read_frame(path)
    assert names == ["Time", "a", "b", "c"] and rows.tolist() == ROWS and rows.dtype == float


def test_a_frame_of_old_pandas(tmp_path):
    blocks = [
        (np.array([[0, 1, 2]]), np.array([0])),
        (np.array([[0.5, 1.5, 2.5], [7, 8, 9]]), slice(1, 5, 2)),
        (np.asfortranarray(np.array([[4, 5, 6]], ">f4")), slice(2, 3)),
    ]
    path = write(tmp_path / "x.pickle", old(blocks, ["Time", "a", "b", "c"]))
    names, rows = pandas_pickle.read_frame(path)
    assert names == ["Time", "a", "b", "c"] and rows.tolist() == ROWS


class Calls:
    def __init__(self, function, *args):
        self.reduced = function, args

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("within", [False, True])
def test_no_pickle_runs_code(tmp_path, within):
    """Neither names that are refused nor functions of NumPy, which could write files too."""
    path_of_code = tmp_path / "there"
    for bad in (
        Calls(exec, f"open({str(path_of_code)!r}, 'w')"),
        Calls(open, str(path_of_code), "w"),
        Calls(np.memmap, str(path_of_code), "u1", "w+", 0, (9,)),
        Calls(pickle.loads, pickle.dumps(Calls(open, str(path_of_code), "w"))),
    ):
        value = old([(bad, slice(0, 1))], ["a"]) if within else bad
        path = write(tmp_path / "bad.pickle", value)
        with pytest.raises(ValueError, match="bad.pickle is no pickle of a table of numbers"):
            table_splits.load("gas", path)
        assert not path_of_code.exists()


@pytest.mark.parametrize(
    "value, message",
    [
        ({"a": 1}, "it holds dict"),
        (b"", "EOFError"),
        (b"no pickle", "KeyError"),
        (Calls(pickle.loads, b""), "it would call pickle.loads, which no table needs"),
    ],
)
def test_other_pickles_are_refused(tmp_path, value, message):
    with pytest.raises(ValueError, match=f"x.pickle is no pickle of .*{message}"):
        pandas_pickle.read_frame(write(tmp_path / "x.pickle", value))


def test_columns_of_words_are_refused(tmp_path):
    frame = old([(np.array([["x", "y"]], object), slice(0, 1))], ["a"])
    with pytest.raises(ValueError, match="x.pickle is no pickle of a table of numbers"):
        pandas_pickle.read_frame(write(tmp_path / "x.pickle", frame))
