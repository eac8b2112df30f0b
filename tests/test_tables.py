"""Tables from files and to files."""

import os
import sys
import types
import warnings

import numpy as np
import pytest

from keras_flows import tables


def write(path, text):
    path.write_bytes(text.encode())
    return path


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize(
    "text, names",
    [
        ("a,b\n1,2\n3,4.5\n", ["a", "b"]),
        ("1,2\n3,4.5\n", ["x1", "x2"]),
        ("a;b\r\n1;2\r\n\r\n3;4.5\r\n", ["a", "b"]),
        ("a, in m\t# b\n1\t2\n3\t4.5", ["a, in m", "# b"]),
        ('\ufeff"a","b"\n"1","2"\n"3"," 4.5"\n', ["a", "b"]),
        ("\n,b\n1, 2\n3, 4.5\n\n", ["x1", "b"]),
        ("\ufeff1,2\n3,4.5\n", ["x1", "x2"]),
        ('"a\nof two lines",b\n1,2\n3,4.5\n', ["a\nof two lines", "b"]),
    ],
)
def test_csv(tmp_path, text, names):
    table = tables.read(write(tmp_path / "t.csv", text))
    assert table.names == names and table.rows.tolist() == [[1, 2], [3, 4.5]]
    assert table.rows.dtype == np.float64 and table.sizes is None


def test_csv_of_one_column(tmp_path):
    assert tables.read(write(tmp_path / "t.CSV", "a\n1\n2\n")).rows.shape == (2, 1)


@pytest.mark.parametrize(
    "text, message",
    [
        ("a,b\n1,2\n3,\n", r"line 3, column 2 \(b\): missing value.*Received: ''"),
        ("a,b\n1,2\n\nNA,4\n", r"line 4, column 1 \(a\): missing value.*Received: 'NA'"),
        ("1,?\n3,4\n", r"line 1, column 2 \(x2\): missing value.*Received: '\?'"),
        ("a;b\n1;2\n1;nan\n", r"line 3, column 2 \(b\): missing value.*Received: 'nan'"),
        ("a,b\n1,2\n3,red\n", r"line 3, column 2 \(b\): text instead of a number.*Received: 'red'"),
        ("a;b\n1;2\n3,5;4\n", r"line 3, column 1 \(a\): text.*point.*Received: '3,5'"),
        ("a,b\n1,2\n3,-inf\n", r"line 3, column 2 \(b\): infinite value. Received: '-inf'"),
        ("a,b\n1,2\n3,1e999\n", r"line 3, column 2 \(b\): infinite value. Received: '1e999'"),
        ("a,b\n1,2\n3,4,5\n", "line 3 should have 2 columns, like the first row. Received: 3"),
        ("a,b,c\n1,2\n3,4\n", "line 2 should have 3 columns, like the first row. Received: 2"),
        ("a,b\n1,2\n1,4\n", r"column 1 \(a\) is constant.*leave the column out. Received: 1.0"),
        ("a,b\n1,1_0\n1,4\n", "no table of numbers. Received: could not convert string '1_0'"),
        ("a,b\n1,2\n", "too few rows.*Received: 1"),
        ("a,b\n", "no rows.*Received: 0"),
        ("\n", "no rows. Received: an empty file"),
        ("a,b\n1,\0\n2,3\n", r"column 2 \(b\): text|no csv file. Received: line contains NUL"),
    ],
)
def test_errors_name_the_place_in_a_csv(tmp_path, text, message):
    with pytest.raises(ValueError, match=f"t.csv.*{message}"):
        tables.read(write(tmp_path / "t.csv", text))


def test_csv_in_another_encoding(tmp_path):
    (tmp_path / "t.csv").write_bytes("é,b\n1,2\n".encode("latin-1"))
    with pytest.raises(ValueError, match="t.csv is no text in UTF-8. Received"):
        tables.read(tmp_path / "t.csv")


def test_other_and_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.csv"):
        tables.read(tmp_path / "nowhere.csv")
    with pytest.raises(ValueError, match="[.]csv.*Received: .*t.xlsx"):
        tables.read(tmp_path / "t.xlsx")


def test_only_regular_files_are_read(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")  # opening it would wait for another process
    for name in ("folder", "pipe"):
        with pytest.raises(ValueError, match=f"a regular file. Received: .*{name}.csv"):
            tables.read(tmp_path / f"{name}.csv")


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("header", [",a,b", "Unnamed: 0,a,b"])
def test_written_row_numbers_are_left_out(tmp_path, header, first):
    lines = [f"{first + i},{0.5 * i},{7 - i}.25" for i in range(3)]
    path = write(tmp_path / "t.csv", "\n".join([header, *lines]))
    with pytest.warns(UserWarning, match=f"t.csv: the first column .* counts from {first}"):
        table = tables.read(path)
    assert table.names == ["a", "b"] and table.rows[:, 0].tolist() == [0, 0.5, 1]


@pytest.mark.parametrize(
    "text, options",
    [
        (",b\n0,1.5\n2,3.5\n", {}),  # does not count by 1
        ("n,b\n0,1.5\n1,3.5\n", {}),  # has a name
        (",b\n0,1.5\n1,3.5\n", {"columns": ["x1", "b"]}),  # is selected
        ("0,1.5\n1,3.5\n", {}),  # the file has no header
    ],
)
def test_other_first_columns_are_kept(tmp_path, text, options):
    path = write(tmp_path / "t.csv", text)
    assert tables.read(path, **options).rows.tolist() in ([[0, 1.5], [i, 3.5]] for i in (1, 2))


def test_columns_are_selected(tmp_path):
    path = write(tmp_path / "t.csv", "a,kind,b\n1,red,2\n3,,4.5\n")
    for options in ({"drop": "kind"}, {"columns": ["a", "b"]}):
        table = tables.read(path, **options)
        assert table.names == ["a", "b"] and table.rows.tolist() == [[1, 2], [3, 4.5]]
    table = tables.read(path, columns=["b", "kind", "a"], drop=["kind"])
    assert table.names == ["b", "a"] and table.rows.tolist() == [[2, 1], [4.5, 3]]
    x = normal(9, 3)
    np.savez(tmp_path / "t.npz", train=x[:4], val=x[4:7], test=x[7:], names=["a", "b", "c"])
    table = tables.read(tmp_path / "t.npz", columns=["c", "a"])
    assert np.array_equal(table.rows, x[:, [2, 0]]) and table.sizes == (4, 3, 2)
    for options, message in [
        ({"columns": ["a", "d"]}, "t.csv has the columns a, kind, b. Received: d"),
        ({"drop": ["d"]}, "t.csv has the columns a, kind, b. Received: d"),
        ({"drop": ["a", "b", "kind"]}, "no column left. Received"),
        ({"columns": ["kind"]}, r"line 2, column 2 \(kind\): text.*Received: 'red'"),
    ]:
        with pytest.raises(ValueError, match=message):
            tables.read(path, **options)
    write(path, "a,b,c\n1,2,3\n1.5,2\n")
    with pytest.raises(ValueError, match="line 3 should have 3 columns.*Received: 2"):
        tables.read(path, columns=["a", "b"])


class Columns:
    """The part of a DataFrame that `tables.read` needs."""

    def __init__(self, names, rows):
        self.columns, self.rows = names, np.asarray(rows)

    def to_numpy(self):
        return self.rows


def test_a_data_frame():
    table = tables.read(Columns(["a", 5], [[1.5, 2], [3, 4.25]]))
    assert table.names == ["a", "5"] and table.rows.tolist() == [[1.5, 2], [3, 4.25]]
    mixed = Columns(["a", "kind", "b"], np.array([[1, "x", True], [2.5, "y", False]], object))
    assert tables.read(mixed, drop="kind").rows.tolist() == [[1, 1], [2.5, 0]]
    with pytest.raises(ValueError, match=r"row 1, column 2 \(kind\): text.*Received: 'x'"):
        tables.read(mixed)
    with pytest.raises(ValueError, match=r"DataFrame, row 2, column 1 \(a\): missing value"):
        tables.read(Columns(["a"], [[1.0], [np.nan]]))
    counted = Columns(["Unnamed: 0", "a"], [[0, 1.5], [1, 2.5]])
    with pytest.warns(UserWarning, match="The DataFrame: the first column"):
        assert tables.read(counted).names == ["a"]


def test_parquet(tmp_path, monkeypatch):
    path = write(tmp_path / "t.parquet", "")
    frame = Columns(["a", "b"], normal(5, 2))
    monkeypatch.setitem(sys.modules, "pandas", types.SimpleNamespace(read_parquet=lambda _: frame))
    assert np.array_equal(tables.read(path, columns="b").rows, frame.rows[:, 1:])
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="t.parquet .*: pip install pandas pyarrow"):
        tables.read(path)


def test_hints_name_columns_with_repeated_values(tmp_path):
    rng = np.random.default_rng(0)
    x = np.c_[rng.normal(size=400), rng.integers(0, 9, 400), np.round(rng.random(400), 1)]
    table = tables.Table(["a", "rooms", "share"], np.c_[x, rng.permutation(400)])
    rooms, share = tables.hints(tables.Table([*table.names, "number"], table.rows))
    assert rooms.startswith("column 2 (rooms) has only integers, 9 different values in 400 rows")
    assert "noise of width 1" in rooms and "as context" in rooms
    assert share.startswith("column 3 (share) has only 11 different values in 400 rows")
    np.save(tmp_path / "t.npy", x)
    with pytest.warns(UserWarning) as warned:
        tables.read(tmp_path / "t.npy")
    assert "t.npy, column 2 (x2) has only integers" in str(warned[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tables.read(tmp_path / "t.npy", fit=False)


def test_a_single_row_is_read_without_fit(tmp_path):
    path = write(tmp_path / "t.csv", "a,b\n1,2\n")
    assert tables.read(path, fit=False).rows.tolist() == [[1, 2]]


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("suffix", ["csv", "NPY", "npz"])
def test_written_tables_are_read_back_exactly(tmp_path, suffix, dtype):
    x = (100 * np.abs(normal(5, 2))).astype(dtype)
    tables.write(tmp_path / f"t.{suffix}", x, names := ["a, in m", "b"])
    table = tables.read(tmp_path / f"t.{suffix}")
    assert np.array_equal(table.rows.astype(dtype), x)
    assert table.names == (["x1", "x2"] if suffix == "NPY" else names)
    assert [p.name for p in tmp_path.iterdir()] == [f"t.{suffix}"]


def test_write_refuses_wrong_arguments(tmp_path):
    for name, rows, names, message in [
        ("t.xlsx", normal(2, 2), None, "endings.*Received: .*t.xlsx"),
        ("t.csv", normal(2), None, "shape.*Received: shape"),
        ("t.csv", normal(2, 2), ["a"], r"a name for each.*Received: shape=\(2, 2\), names=\['a'\]"),
    ]:
        with pytest.raises(ValueError, match=message):
            tables.write(tmp_path / name, rows, names)


@pytest.mark.parametrize("dtype, expected", [("float32",) * 2, ("int16", "float64")])
def test_arrays(tmp_path, dtype, expected):
    x = (10 * normal(5, 2)).astype(dtype)
    np.save(tmp_path / "t.npy", x)
    np.savez(tmp_path / "one.npz", anything=x, columns=["a", "b"])
    np.savez_compressed(tmp_path / "x.npz", x=x, other=np.zeros(3))
    np.savez(tmp_path / "data.npz", data=x, x=-x)
    for name in ("t.npy", "one.npz", "x.npz", "data.npz"):
        table = tables.read(tmp_path / name)
        assert np.array_equal(table.rows, x) and table.rows.dtype == expected
        assert table.names == (["a", "b"] if name == "one.npz" else ["x1", "x2"])


@pytest.mark.parametrize("key", ["validation", "val"])
def test_npz_with_three_splits(tmp_path, key):
    x = normal(9, 2)
    np.savez(tmp_path / "t.npz", **{"test": x[7:], key: x[4:7], "train": x[:4]})
    table = tables.read(tmp_path / "t.npz")
    assert np.array_equal(table.rows, x) and table.sizes == (4, 3, 2)


def changed(row, column, value):
    x = normal(3, 2)
    x[row, column] = value
    return x


GOOD = normal(3, 2)


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"x": changed(1, 0, np.nan)}, r"x, row 2, column 1 \(x1\): missing value.*Received: nan"),
        ({"x": changed(2, 1, np.inf)}, r"x, row 3, column 2 \(x2\): infinite value. Received: inf"),
        (
            {"train": GOOD, "val": changed(0, 1, np.nan), "test": GOOD},
            r"val, row 1, column 2 \(x2\): missing value",
        ),
        ({"x": np.c_[GOOD[:, :1], np.ones(3)]}, r"column 2 \(x2\) is constant.*Received: 1.0"),
        ({"train": np.ones((3, 1)), "val": GOOD[:, :1], "test": GOOD[:, :1]}, "is constant"),
        ({"train": GOOD, "val": GOOD[:0], "test": GOOD}, r"too few rows.*Received: \(3, 0, 3\)"),
        ({"train": GOOD, "val": GOOD[:, :1], "test": GOOD}, "val should have 2 columns.*shape"),
        ({"x": GOOD, "names": ["a"]}, "x should have 1 columns.*Received: shape"),
        ({"train": GOOD, "test": GOOD}, "train, validation and test. Received: keys"),
        ({"a": GOOD, "b": GOOD}, "data or x.*Received: keys"),
        ({"x": GOOD[:1]}, "too few rows.*Received: 1"),
        ({"x": GOOD[:0]}, "no rows.*Received: 0"),
        ({"x": np.zeros((2, 2, 2))}, "real numbers.*Received: dtype=float64, shape"),
        ({"x": np.array([["a"], ["b"]])}, "real numbers.*Received: dtype=<U1"),
        ({"x": np.array([[1], [None]])}, r"damaged or holds no numbers. Received.*\(array 'x'\)"),
    ],
)
def test_errors_name_the_place_in_an_npz(tmp_path, arrays, message):
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(ValueError, match=f"t.npz.*{message}"):
        tables.read(tmp_path / "t.npz")


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_damaged_arrays(tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"
    (np.save if suffix == "npy" else np.savez)(path, normal(100, 3))
    raw = path.read_bytes()
    flipped = raw[:1000] + bytes([255 - raw[1000]]) + raw[1001:]
    damage = [b"", b"no data", raw[: len(raw) // 2], *([flipped] if suffix == "npz" else [])]
    for content in damage:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"t.{suffix} is damaged.*Received"):
            tables.read(path)
