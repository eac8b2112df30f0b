"""The recipes for TarFlow: their figures, and runs on MNIST, CIFAR-10 and a folder."""

import json

import imageio.v3 as iio
import keras
import numpy as np
import pytest

from keras_flows import cli
from keras_flows.models import TarFlow
from keras_flows.models.guided_flow import GuidedFlow
from keras_flows.recipes import tarflow_cifar10, tarflow_folder, tarflow_mnist
from keras_flows.recipes.parts.tarflow_figures import noise, trajectory
from keras_flows.training.image_run import with_noise
from tests.multiscale import eager
from tests.numeric import array, perturb

SMALL = "--patch 4 --channels 8 --heads 2 --blocks 2 --layers 1 --holdout 60 --limit 128".split()
SIZES = {"patch": 4, "hidden": 8, "blocks": 1}
RUN = [*SMALL, *"--batch-size 32 --learning-rate 0.01 --warmup 2 --rows 3 --columns 4".split()]


def run(script, out, *more):
    script.main([*RUN, "--out", str(out), *map(str, more)])
    return json.loads((out / "metrics.json").read_text())


def test_the_estimate_of_noise_is_its_standard_deviation():
    rng = np.random.default_rng(0)
    plain = np.broadcast_to(np.linspace(0, 1, 28)[:, None, None], (50, 28, 28, 1))
    assert noise(plain) < 1e-12
    noisy = plain + rng.normal(scale=0.05, size=plain.shape)
    assert noise(noisy) == pytest.approx(0.05, rel=0.03)
    levels = np.clip(np.round(255 * (0.5 + (noisy - plain))), 0, 255).astype("uint8")
    assert noise(levels) == pytest.approx(0.05, rel=0.03)


def test_validation_pictures_have_the_noise_of_training():
    flow, x = TarFlow((8, 8, 1), steps=1, **SIZES), np.zeros((500, 8, 8, 1), "float32")
    noisy = with_noise(flow, x, seed=0)
    assert noisy.dtype == "float32" and noisy.std() == pytest.approx(0.025, rel=0.02)
    np.testing.assert_array_equal(with_noise(flow, x, seed=0), noisy)
    plain = TarFlow((8, 8, 1), steps=1, noise="uniform", **SIZES)
    assert with_noise(plain, x, seed=0) is x


def test_the_trajectory_goes_from_the_latent_to_the_sample():
    flow = eager(perturb(TarFlow((8, 8, 1), steps=2, classes=3, **SIZES), 0.1))
    x, y = np.random.default_rng(0).uniform(size=(2, 8, 8, 1)).astype("float32"), np.array([0, 2])
    steps = trajectory(flow, x, y)
    assert len(steps) == 3
    np.testing.assert_allclose(steps[-1], x, atol=1e-6)
    z = flow.encode(x, y).reshape(2, 4, 16)
    cut = next(v for v in flow.chain if type(v).__name__ == "Patchify")
    np.testing.assert_allclose(steps[0], (array(cut.decode(z)[0]) + 1) / 2, atol=1e-5)
    assert np.abs(steps[1] - steps[0]).max() > 1e-3


@pytest.mark.slow
def test_a_run_of_digits_with_classes_and_gaussian_noise(tmp_path):
    metrics = run(tarflow_mnist, tmp_path / "a", "--epochs", 2)
    for name in ("grid", "guidance", "denoising", "trajectory", "reconstruction", "epoch_002"):
        assert iio.imread(tmp_path / "a" / f"{name}.png").max() > 0, name
    assert iio.imread(tmp_path / "a" / "guidance.png").shape == (5 * 28, 4 * 28)
    strengths = [row["guidance"] for row in metrics["guidance"]]
    assert strengths == [0.0, 0.5, 1.0, 2.0, 3.0]
    for row in metrics["guidance"]:
        assert 0 <= row["accuracy"] <= 1 and row["before_denoising"]["noise"] > 0
    assert metrics["denoising"]["noisy_test_pictures"] > 0
    assert metrics["test_without_labels"]["nll"] != metrics["test"]["nll"]
    flow = keras.models.load_model(tmp_path / "a" / "tarflow_mnist.keras")
    assert isinstance(flow, GuidedFlow) and flow.noise_std == pytest.approx(0.05)
    model, out = str(tmp_path / "a" / "tarflow_mnist.keras"), str(tmp_path / "grid.png")
    cli.main(["sample", model, "--grid", "2x2", "--label", "3", "--guidance", "1", "--out", out])
    cli.main(["sample", model, "--grid", "2x2", "--out", out])
    assert iio.imread(out).shape == (56, 56)


@pytest.mark.slow
def test_a_resumed_run_with_averages_has_the_losses_of_an_uninterrupted_one(tmp_path):
    same = ("--noise", "uniform", "--no-classes", "--schedule", "constant", "--ema", "0.9")
    whole = run(tarflow_mnist, tmp_path / "whole", "--epochs", 2, *same)
    run(tarflow_mnist, tmp_path / "parts", "--epochs", 1, *same)
    parts = run(tarflow_mnist, tmp_path / "parts", "--epochs", 2, "--resume", *same)
    assert 1 < whole["test"]["bits_per_dim"] < 9 and whole["inversion_error"] < 0.05
    # At the end of a run Keras puts the averages in the weights' place: the second half begins
    # from them, which two epochs of a few steps show in the second digit.
    losses = [each["epochs"][1]["val_loss"] for each in (whole, parts)]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


@pytest.mark.slow
def test_runs_of_cifar10_and_of_a_folder(tmp_path):
    rng, sets = np.random.default_rng(0), {}
    for name, n in (("train", 200), ("test", 100)):
        x = rng.integers(0, 256, (n, 4, 4, 3), "uint8").repeat(8, 1).repeat(8, 2)
        sets |= {f"x_{name}": x, f"y_{name}": (np.arange(n) % 10).astype("uint8")}
    np.savez(tmp_path / "cifar.npz", **sets)
    metrics = run(tarflow_cifar10, tmp_path / "c", "--epochs", 2, "--data", tmp_path / "cifar.npz")
    assert [row.get("accuracy") for row in metrics["guidance"]] == []
    (tmp_path / "faces").mkdir()
    for i, picture in enumerate(sets["x_train"]):
        iio.imwrite(tmp_path / "faces" / f"{i:03d}.png", picture)
    data = ("--data", tmp_path / "faces", "--img-size", 16, "--cache", tmp_path / "cache")
    metrics = run(tarflow_folder, tmp_path / "f", "--epochs", 1, "--noise", "uniform", *data)
    assert 1 < metrics["test"]["bits_per_dim"] < 10 and metrics["reconstruction_error"] == 0
    with pytest.raises(ValueError, match="divisible.*Received"):
        run(tarflow_folder, tmp_path / "g", *data[:2], "--img-size", 18)
