"""The recipes for tables, on a table small enough for seconds."""

import importlib.util
import json

import numpy as np
import pytest

from keras_flows.recipes import maf_tabular, nsf_tabular
from keras_flows.training.table_baselines import gaussian, published
from keras_flows.training.table_run import load_table

SMALL = ["--steps", "1", "--hidden", "8", "--batch-size", "50", "--learning-rate", "0.02"]


@pytest.fixture
def table(tmp_path):
    x = np.random.default_rng(0).normal(size=(400, 2)) * [1, 50] + [3, -100]
    np.savetxt(tmp_path / "table.csv", x, delimiter=",", header="a,b", comments="")
    return str(tmp_path / "table.csv")


def run(script, table, out, *more):
    script.main(["--data", table, "--out", str(out), *SMALL, *more])
    return json.loads((out / "metrics.json").read_text()) if out.exists() else None


@pytest.mark.parametrize("script", [maf_tabular, pytest.param(nsf_tabular, marks=pytest.mark.slow)])
def test_a_run_on_a_gaussian_comes_near_its_likelihood(script, table, tmp_path, capsys):
    metrics = run(script, table, tmp_path / "out", "--epochs", "6")
    result = metrics["test"]["log_likelihood"]
    assert result == pytest.approx(metrics["gaussian"]["mean"], abs=0.6)
    assert metrics["published"] is None and metrics["inversion_error"] < 1e-3
    printed = capsys.readouterr().out
    assert f"{result:.3f} +-" in printed and "a Gaussian, same rows" in printed
    drawn = importlib.util.find_spec("matplotlib") is not None
    assert (tmp_path / "out" / "columns.png").exists() == drawn


@pytest.mark.slow
def test_a_run_that_has_ended_does_not_train_when_resumed(table, tmp_path):
    options = ["--epochs", "40", "--patience", "2", "--learning-rate", "0.5"]
    first = run(maf_tabular, table, tmp_path / "out", *options)
    epochs = len(first["epochs"])
    assert epochs < 40 and epochs - first["best_epoch"] == 2
    again = run(maf_tabular, table, tmp_path / "out", *options, "--resume")
    assert len(again["epochs"]) == epochs
    assert again["test"] == pytest.approx(first["test"], rel=1e-4)


def test_a_dry_run_writes_nothing(table, tmp_path, capsys):
    assert run(maf_tabular, table, tmp_path / "out", "--dry-run") is None
    assert "Hint" not in capsys.readouterr().out


def test_columns_are_chosen_and_a_large_flow_gets_a_hint(table, tmp_path, capsys):
    more = ("--dry-run", "--drop", "b", "--hidden", "200", "200")
    assert run(maf_tabular, table, tmp_path / "out", *more) is None
    printed = capsys.readouterr().out
    assert "table.csv: [(324, 1), (36, 1), (40, 1)]" in printed
    assert "parameters for 324 rows" in printed and "smaller --hidden" in printed
    with pytest.raises(ValueError, match="gas has its published columns. Received: columns=None"):
        run(maf_tabular, "gas", tmp_path / "out", "--file", "x.txt", "--drop", "b")


def test_columns_of_few_values_are_dequantized(tmp_path):
    rng = np.random.default_rng(0)
    x = np.stack([rng.integers(0, 9, 300), rng.random(300)], axis=1)
    np.savez(tmp_path / "t.npz", x=x, names=["n", "x"])
    options = ["--data", str(tmp_path / "t.npz"), "--seed", "3"]
    with pytest.warns(UserWarning, match=r"column 1 \(n\) has only integers, 9 different values"):
        plain, noisy = (
            load_table(maf_tabular.main.options([*options, *more]))
            for more in ([], ["--dequantize", "n"])
        )
    for a, b in ((plain.train, noisy.train), (plain.test, noisy.test)):
        noise = b[:, 0] - a[:, 0]
        assert np.array_equal(a[:, 1], b[:, 1]) and np.array_equal(np.round(b[:, 0]), a[:, 0])
        assert noise.min() < -0.4 and noise.max() > 0.4
    with pytest.raises(ValueError, match=r"columns \['n', 'x'\]. Received: rooms"):
        load_table(maf_tabular.main.options([*options, "--dequantize", "rooms"]))


@pytest.mark.slow
def test_a_run_of_chosen_columns_is_resumed(table, tmp_path):
    run(maf_tabular, table, tmp_path / "out", "--epochs", "1", "--columns", "b")
    with pytest.raises(ValueError, match="columns"):
        run(maf_tabular, table, tmp_path / "out", "--epochs", "2", "--resume")
    more = ("--epochs", "2", "--columns", "b", "--resume")
    assert len(run(maf_tabular, table, tmp_path / "out", *more)["epochs"]) == 2


def test_the_paper_s_data_sets_get_the_paper_s_networks():
    options = maf_tabular.main.options(["--data", "gas", "--file", "x.txt"])
    assert options.hidden == [100, 100] and options.activation == "tanh"
    assert maf_tabular.main.options(["--data", "bsds300"]).hidden == [512, 512]


def test_published():
    assert published("power")["MAF(5)"] == 0.14
    assert published("bsds300")["NSF autoregressive"] == 157.31
    assert len(published("gas")) == 6 and published("wine.csv") is None


def test_gaussian():
    mix = np.array([[2.0, 0, 0], [1, 0.5, 0], [300, -1, 40]])
    train, test = (np.random.default_rng(n).normal(size=(n, 3)) @ mix.T + 5 for n in (500, 200))
    mean, covariance = train.mean(axis=0), np.cov(train.T, bias=True)
    distance = np.einsum("ni,ij,nj->n", test - mean, np.linalg.inv(covariance), test - mean)
    nats = -0.5 * (distance + np.linalg.slogdet(2 * np.pi * covariance)[1])
    expected = nats.mean(), 2 * nats.std() / np.sqrt(200)
    assert gaussian(train, test) == pytest.approx(expected, rel=1e-9)
    twice = np.c_[train, train[:, 0] - train[:, 1]].astype("float32")
    with pytest.raises(ValueError, match=r"linearly.*Received: columns \[1, 2, 4\]"):
        gaussian(twice, twice)
