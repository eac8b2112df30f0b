"""Training, validation and test rows of any table."""

import numpy as np
import pytest

from keras_flows.data import table_splits
from tests.test_tables import normal


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
