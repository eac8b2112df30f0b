"""The preprocessing of MAF's five sets."""

import h5py
import numpy as np
import pytest

from keras_flows.data import maf_sets, table_splits
from tests.test_tables import normal, write


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
