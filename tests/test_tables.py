"""Tables from files, and the preprocessing of MAF's five sets."""

import os
import sys
import types
import warnings

import h5py
import numpy as np
import pytest

from keras_flows import tables
from keras_flows.data import maf_sets, table_splits


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


def moments(*parts):
    x = np.concatenate(parts).astype("float64")
    return x.mean(axis=0), x.std(axis=0)


def test_power(tmp_path):
    x = normal(200, 8) * 50
    np.save(tmp_path / "data.npy", x)
    data = table_splits.load("power", tmp_path / "data.npy", seed=3)
    assert [len(p) for p in (data.train, data.validation, data.test)] == [162, 18, 20]
    assert data.train.dtype == np.float32 and data.title == "POWER" and len(data.names) == 6
    np.testing.assert_allclose(moments(data.train, data.validation), [[0] * 6, [1] * 6], atol=1e-6)
    rng = np.random.RandomState(42)
    rng.shuffle(x)
    voltage, gap, meters = 0.01 * rng.rand(200), 0.001 * rng.rand(200), rng.rand(200, 3)
    x = np.c_[x[:, 0] + gap, x[:, 2] + voltage, x[:, 4:7] + meters, x[:, 7]]
    x = (x - x[:180].mean(axis=0)) / x[:180].std(axis=0)
    np.testing.assert_allclose(data.train, x[:162], atol=1e-5)
    np.testing.assert_allclose(data.test, x[180:], atol=1e-5)


def test_power_from_uci(tmp_path):
    x = np.round(normal(40, 7) * 50, 3)
    lines = [f"16/12/2006;{i // 60:02}:{i % 60:02}:00;" for i in range(80, 120)]
    lines = [head + ";".join(map(str, row)) for head, row in zip(lines, x)]
    text = "\n".join(["Date;Time;a;b;c;d;e;f;g", *lines, "1/1/2007;0:00:00;?;?;?;?;?;?;", ""])
    uci = write(tmp_path / "household_power_consumption.txt", text)
    np.savez(tmp_path / "p.npz", x=np.c_[x, np.arange(80, 120)])
    received, expected = (
        table_splits.load("power", uci),
        table_splits.load("power", tmp_path / "p.npz"),
    )
    assert np.array_equal(received.train, expected.train)
    assert np.array_equal(received.test, expected.test)
    with pytest.raises(ValueError, match="other.txt is not the original file. Received"):
        table_splits.load("power", write(tmp_path / "other.txt", text.replace(";", ",")))


def gas(rows=400):
    """Sensors 2, 4 and 5 correlate with sensor 1; sensor 16 is minus sensor 15 and is kept."""
    x = 3 + normal(rows, 16) * np.arange(1, 17)
    x[:, [1, 3, 4]] = x[:, :1] + 0.01 * normal(rows, 3)
    x[:, 15] = -x[:, 14]
    return x


def test_gas_from_uci(tmp_path):
    x = np.c_[np.arange(400), normal(400, 2), gas()]
    np.savetxt(tmp_path / "ethylene_CO.txt", x, header="Time (seconds), CO conc (ppm), and more")
    data = table_splits.load("gas", tmp_path / "ethylene_CO.txt")
    assert data.names == [f"sensor {i}" for i in (3, *range(5, 17))]
    assert [len(p) for p in (data.train, data.validation, data.test)] == [81, 9, 10]
    mean, deviation = moments(data.train, data.validation, data.test)
    np.testing.assert_allclose(mean, 0, atol=1e-6)
    np.testing.assert_allclose(deviation, np.sqrt(99 / 100), atol=1e-6)


def test_gas_from_pickle(tmp_path, monkeypatch):
    x = np.c_[normal(400, 3), gas()]
    names = ["Time", "Meth", "Eth", *"abcdefghijklmnop"]
    monkeypatch.setattr(maf_sets, "read_frame", lambda _: (names, x))
    data = table_splits.load("gas", write(tmp_path / "ethylene_CO.pickle", ""))
    assert "".join(data.names) == "cefghijklmnop" and len(data.train) == 324
    expected = (x[:, 5] - x[:, 5].mean()) / x[:, 5].std(ddof=1)
    np.testing.assert_allclose(data.test[:, 0], expected[-40:], atol=1e-5)


def hepmass(path, rows, seed, extra):
    """Every second row is of class 1; the second feature repeats its smallest value 7 times."""
    x = normal(rows, 4, seed=seed)
    x[:14, 1] = -9
    label = np.arange(rows) % 2
    header = "# label,f0,f1,f2,f3" + extra
    x = np.c_[label, x, np.full((rows, 1), 1000)] if extra else np.c_[label, x]
    np.savetxt(path, x, delimiter=",", header=header, comments="")
    return x[label == 1][:, [1, 3, 4]]


@pytest.mark.parametrize("name", ["", "1000_train.csv", "1000_test.csv"])
def test_hepmass(tmp_path, name):
    train = hepmass(tmp_path / "1000_train.csv", 200, 0, "")
    test = hepmass(tmp_path / "1000_test.csv", 60, 1, ",mass")
    data = table_splits.load("hepmass", tmp_path / name)
    assert data.names == ["f0", "f2", "f3"] and len(data.train) == 90
    mean, deviation = train.mean(axis=0), train.std(axis=0, ddof=1)
    np.testing.assert_allclose(data.validation, (train[90:] - mean) / deviation, atol=1e-5)
    np.testing.assert_allclose(data.test, (test - mean) / deviation, atol=1e-5)
    (tmp_path / "1000_test.csv").unlink()
    with pytest.raises(FileNotFoundError, match="1000_test.csv"):
        table_splits.load("hepmass", tmp_path)


def test_miniboone(tmp_path):
    x = 5 + normal(100, 3) * 2
    np.save(tmp_path / "data.npy", x)
    data = table_splits.load("miniboone", tmp_path / "data.npy")
    x = (x - x[:90].mean(axis=0)) / x[:90].std(axis=0)
    for part, expected in zip((data.train, data.validation, data.test), np.split(x, [81, 90])):
        np.testing.assert_allclose(part, expected, atol=1e-6)


def test_bsds300(tmp_path):
    u = np.random.default_rng(0).integers(0, 256, (12, 64), "uint8")
    np.savez(tmp_path / "b.npz", train=u[:6], val=u[6:9], test=u[9:])
    data = table_splits.load("bsds300", tmp_path / "b.npz", seed=1)
    again = table_splits.load("bsds300", tmp_path / "b.npz", seed=2)
    assert data.train.shape == (6, 63) and np.array_equal(data.test, again.test)
    x = (u[:6] - u[:6].mean(axis=1, keepdims=True)) / 256
    difference = (data.train - x[:, :-1]) * 256
    assert 0.3 < np.abs(difference).max() < 1
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    with h5py.File(tmp_path / "BSDS300.hdf5", "w") as file:
        file.update(parts)
    assert np.array_equal(table_splits.load("bsds300", tmp_path / "BSDS300.hdf5").train, data.train)


def test_other_files_are_not_bsds300(tmp_path):
    np.savez(tmp_path / "b.npz", **dict.fromkeys(("train", "val", "test"), normal(3, 64)))
    np.savez(tmp_path / "one.npz", x=normal(3, 64))
    write(tmp_path / "b.hdf5", "no data")
    for name, message in [
        ("b.npz", "should be bytes. Received"),
        ("one.npz", "train, validation and test. Received"),
        ("b.hdf5", "damaged or not BSDS300. Received"),
    ]:
        with pytest.raises(ValueError, match=f"{name}.*{message}"):
            table_splits.load("bsds300", tmp_path / name)


def test_a_table_that_is_not_split(tmp_path):
    x = normal(50, 2) * 7 + 30
    np.savetxt(tmp_path / "wine.csv", x, delimiter=",", header="acid,sugar", comments="")
    data = table_splits.load(str(tmp_path / "wine.csv"), seed=1)
    assert [len(p) for p in (data.train, data.validation, data.test)] == [41, 4, 5]
    assert data.names == ["acid", "sugar"] and data.title == "wine.csv"
    rows = np.concatenate([data.train, data.validation, data.test])
    np.testing.assert_allclose(np.sort(rows[:, 0]), np.sort(x[:, 0]), rtol=1e-6)
    assert np.array_equal(table_splits.load(tmp_path / "wine.csv", seed=1).train, data.train)
    assert not np.array_equal(table_splits.load(tmp_path / "wine.csv", seed=2).train, data.train)


def test_a_table_that_is_split(tmp_path):
    x = normal(9, 2).astype("float32")
    np.savez(tmp_path / "t.npz", train=x[:4], val=x[4:7], test=x[7:])
    data = table_splits.load(tmp_path / "t.npz")
    assert np.array_equal(data.train, x[:4]) and np.array_equal(data.test, x[7:])


@pytest.mark.parametrize("column", [1e9 + normal(30), 1e300 * normal(30), np.eye(30)[7]])
def test_columns_without_spread_in_float32_or_in_the_training_rows(tmp_path, column):
    x = np.c_[normal(30, seed=1), column]
    np.savez(tmp_path / "t.npz", data=x)
    # With this seed, the one row unlike the others is not among the training rows.
    seed = next(s for s in range(99) if 7 in np.random.default_rng(s).permutation(30)[25:])
    with pytest.raises(ValueError, match=r"t.npz, column 2 \(x2\) varies too little.*Received"):
        table_splits.load(tmp_path / "t.npz", seed=seed)


def test_load_refuses_wrong_arguments(tmp_path):
    for name, file, message in [
        ("wine", None, "power.*Received: wine"),
        ("t.csv", "data.npy", "Received: t.csv and file=data.npy"),
        ("power", None, "power needs its original file.*Received"),
    ]:
        with pytest.raises(ValueError, match=message):
            table_splits.load(name, file)
    with pytest.raises(FileNotFoundError, match="No gas at nowhere.txt: ethylene_CO.pickle"):
        table_splits.load("gas", "nowhere.txt")
    np.save(tmp_path / "t.npy", normal(10, 2))
    with pytest.raises(ValueError, match="t.npy has too few rows to hold out .* Received: 10"):
        table_splits.load(tmp_path / "t.npy")
    with pytest.raises(ValueError, match="power's 8 columns. Received: 2"):
        table_splits.load("power", tmp_path / "t.npy")
