"""The toy densities, and the recipe that trains every flow on them."""

import json

import keras
import numpy as np
import pytest

from keras_flows import files, toys
from keras_flows.recipes import toy_2d
from keras_flows.training.run import METRICS

AREA = (2 * toy_2d.SIDE / toy_2d.CELLS) ** 2


@pytest.mark.parametrize("name", toys.TOYS)
def test_samples_follow_their_density(name):
    x = toys.draw(name, 20_000, seed=0)
    assert x.shape == (20_000, 2) and x.dtype == np.float32 and np.abs(x).max() < 5
    np.testing.assert_array_equal(x, toys.draw(name, 20_000, seed=0))
    assert not np.array_equal(x, toys.draw(name, 20_000, seed=1))
    density = np.exp(toys.log_prob(name, toy_2d.cells()))
    assert density.sum() * AREA == pytest.approx(1, abs=0.01)
    entropy = -(density * np.log(density + 1e-300)).sum() * AREA
    assert -toys.log_prob(name, x).mean() == pytest.approx(entropy, abs=0.04)
    # Total variation between counts and the density, in coarse cells.
    coarse = density.reshape(40, 5, 40, 5).sum((1, 3)) * AREA
    edges = np.linspace(-toy_2d.SIDE, toy_2d.SIDE, 41)
    counts, _, _ = np.histogram2d(x[:, 1], x[:, 0], bins=(edges, edges))
    assert np.abs(counts / len(x) - coarse).sum() / 2 < 0.1


def test_the_entropy_of_the_checkerboard_is_the_log_of_its_area():
    x = toys.draw("checkerboard", 1000, seed=0)
    np.testing.assert_allclose(toys.log_prob("checkerboard", x), -np.log(32))


def test_unknown_names_are_refused():
    for call in (lambda: toys.draw("cheese", 3), lambda: toys.log_prob("cheese", np.zeros((1, 2)))):
        with pytest.raises(ValueError, match="moons, rings.*Received: name='cheese'"):
            call()


@pytest.fixture
def small(monkeypatch):
    """Two small flows that replace all others."""
    affine = {"mode": "affine", "count": 4, "before": [toy_2d.actnorm], "hidden": 32}
    flows = {
        "tanh": lambda seed: toy_2d.couplings(**affine, scale="tanh", name="one"),
        "sigmoid": lambda seed: toy_2d.couplings(**affine, name="other"),
    }
    monkeypatch.setattr(toy_2d, "FLOWS", flows)


def options(tmp_path, *more):
    return ["--batch-size", "128", "--out", str(tmp_path), *more]


@pytest.mark.slow
def test_a_run_leaves_pictures_and_figures(small, tmp_path):
    pytest.importorskip("matplotlib")
    toy_2d.main(options(tmp_path, "--steps", "100", "--data", "moons", "pinwheel"))
    names = {path.name for path in tmp_path.iterdir()} - {files.LOCK}
    assert names == {"moons.png", "pinwheel.png", "toy_2d.png", METRICS}
    metrics = json.loads((tmp_path / METRICS).read_text())
    assert len(metrics["flows"]) == 4 and metrics["settings"]["steps"] == 100
    for row in metrics["flows"]:
        spread = toys.draw(row["data"], 9999, 0).std(0)
        gaussian = np.log(2 * np.pi * np.e) + np.log(spread).sum()
        assert row["nll_of_the_true_density"] < row["nll"] < gaussian - 0.02
        assert row["mass_in_the_picture"] == pytest.approx(1, abs=0.05)


@pytest.mark.slow
def test_each_density_is_learned_from_the_initial_weights(small, tmp_path):
    trainer = toy_2d.Trainer(toy_2d.main.options(options(tmp_path, "--steps", "20")), "tanh")
    first, between, again = (trainer.run(name)[0]["nll"] for name in ("moons", "rings", "moons"))
    assert again == pytest.approx(first, abs=1e-3) and between > first


def test_a_dry_run_writes_nothing(small, tmp_path, capsys):
    toy_2d.main(options(tmp_path, "--dry-run", "--flows", "tanh", "--data", "rings"))
    assert not list(tmp_path.iterdir()) and "tanh" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name == "Implicit" else [])
        for name in toy_2d.FLOWS
    ],
)
def test_every_flow_starts_as_a_density_of_the_plane(name):
    flow = toy_2d.FLOWS[name](0)
    flow.adapt(toys.draw("moons", 2000, seed=0))
    log_prob = flow.log_prob(keras.ops.convert_to_tensor(toy_2d.cells()))
    assert 0.9 < np.exp(keras.ops.convert_to_numpy(log_prob)).sum() * AREA < 1.001
