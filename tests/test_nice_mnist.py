"""The recipe `nice_mnist`: a whole run, and runs that are killed and resumed."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_flows import Flow, cli, datasets, layers
from keras_flows.models.nice import coupling_net
from keras_flows.recipes import nice_mnist

ROOT = Path(__file__).parents[1]
SMALL = "--limit 384 --hidden 8 --couplings 2 --holdout 200 --batch-size 64 --epochs 3".split()

KILL_IN_STEP = """
import os, signal
from keras_flows.recipes import nice_mnist
class Killer(nice_mnist.SampleGrid):
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 2):
            os.kill(os.getpid(), signal.SIGKILL)
nice_mnist.SampleGrid = Killer
"""
KILL_IN_SAVE = """
import os, signal
import keras_flows
from keras_flows.recipes import nice_mnist
save, count = keras_flows.Flow.save, []
def killer(self, path, **kwargs):
    count.append(path)
    if len(count) == 3:
        open(path, "wb").write(b"half a file")
        os.kill(os.getpid(), signal.SIGKILL)
    save(self, path, **kwargs)
keras_flows.Flow.save = killer
"""


def history(out):
    rows = json.loads((out / "metrics.json").read_text())["epochs"]
    return [[row["loss"], row["val_loss"]] for row in rows]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run's folder."""
    out = tmp_path_factory.mktemp("whole")
    nice_mnist.main([*SMALL, "--out", str(out)])
    return out


def test_the_run_leaves_pictures_metrics_and_a_model(whole):
    names = {p.name for p in whole.iterdir()}
    expected = {"grid", "temperature", "interpolation", "epoch_001", "epoch_003"}
    assert {f"{name}.png" for name in expected} | {"metrics.json", "nice_mnist.keras"} <= names
    metrics = json.loads((whole / "metrics.json").read_text())
    assert len(metrics["epochs"]) == 3 and metrics["best_epoch"] in (1, 2, 3)
    assert metrics["reconstruction_error"] < 1e-4
    assert metrics["steps_per_epoch"] == 6 and metrics["machine"]["device_kind"]
    best = metrics["epochs"][metrics["best_epoch"] - 1]
    assert metrics["validation"]["nll_without_noise"] == pytest.approx(best["val_loss"], rel=1e-5)


def test_the_saved_model_has_the_reported_likelihood(whole):
    flow = keras.models.load_model(whole / "nice_mnist.keras")
    _, (test, _) = datasets.mnist()
    reported = json.loads((whole / "metrics.json").read_text())["test"]
    measured = -flow.log_prob(datasets.as_input(flow, test)).mean()
    assert measured == pytest.approx(reported["nll_without_noise"], rel=1e-5)
    constant = 0.5 * 784 * np.log(2 * np.pi)
    assert reported["nll"] - reported["blog_loss"] == pytest.approx(constant, rel=1e-6)


@pytest.mark.parametrize(
    "killer",
    [pytest.param(KILL_IN_STEP, marks=pytest.mark.slow), KILL_IN_SAVE],
    ids=["step", "save"],
)
def test_a_killed_run_resumes_to_the_same_losses(killer, whole, tmp_path):
    options = [*SMALL, "--out", str(tmp_path)]
    program = f"{killer}\nnice_mnist.main({options!r})"
    killed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True)
    assert killed.returncode == -9, killed.stderr[-2000:]
    assert not (tmp_path / "metrics.json").exists()
    nice_mnist.main([*options, "--resume"])
    np.testing.assert_allclose(history(tmp_path), history(whole), rtol=1e-5)


@pytest.mark.slow
def test_a_new_run_removes_the_state_of_the_old_one(tmp_path):
    options = [*SMALL, "--epochs", "1", "--out", str(tmp_path)]
    nice_mnist.main(options)
    again = [*options, "--overwrite"]
    killed = KILL_IN_SAVE.replace("== 3", "== 1") + f"\nnice_mnist.main({again!r})"
    subprocess.run([sys.executable, "-c", killed], cwd=ROOT, capture_output=True)
    assert not (tmp_path / "checkpoint" / "state.json").exists()


@pytest.mark.slow
def test_a_run_out_of_time_is_written_and_resumed(whole, tmp_path):
    options = [*SMALL, "--out", str(tmp_path)]
    nice_mnist.main([*options, "--minutes", "0.0001"])
    np.testing.assert_allclose(history(tmp_path), history(whole)[:1], rtol=1e-5)
    nice_mnist.main([*options, "--resume"])
    np.testing.assert_allclose(history(tmp_path), history(whole), rtol=1e-5)


def test_resume_refuses_another_configuration(whole):
    with pytest.raises(ValueError, match="batch_size"):
        nice_mnist.main([*SMALL, "--batch-size", "32", "--out", str(whole), "--resume"])


@pytest.mark.slow
def test_paper_variant_reports_bits_and_the_papers_likelihood(tmp_path):
    nice_mnist.main([*SMALL, "--epochs", "1", "--variant", "paper", "--out", str(tmp_path)])
    test = json.loads((tmp_path / "metrics.json").read_text())["test"]
    nats = test["bits_per_dim"] * 784 * np.log(2)
    assert nats == pytest.approx(test["nll"], rel=1e-6)
    unit = 784 * np.log(256) - test["nll"]
    assert test["log_likelihood_of_unit_interval"] == pytest.approx(unit, rel=1e-5)


def test_dry_run_writes_nothing(tmp_path, capsys):
    nice_mnist.main([*SMALL, "--dry-run", "--out", str(tmp_path / "none")])
    assert not (tmp_path / "none").exists()
    assert "One step done" in capsys.readouterr().out


def test_the_console_command(whole, tmp_path, capsys):
    model, out = str(whole / "nice_mnist.keras"), str(tmp_path / "grid.png")
    for command in ("sample", "reconstruct", "interpolate"):
        cli.main([command, model, "--grid", "2x3", "--out", out])
        assert Path(out).exists()
        Path(out).unlink()
    cli.main(["evaluate", model, "--limit", "100"])
    printed = capsys.readouterr().out
    assert "nats a sample" in printed and "undefined" in printed


def test_the_console_command_names_a_missing_model():
    with pytest.raises(SystemExit, match="nowhere.keras"):
        cli.main(["sample", "nowhere.keras"])


def scale_alone(pixels):
    """The best blog loss of the scaling layer alone, with networks that give 0."""
    p = pixels / 255
    # E[(p - 0.01 u)^2] of each dimension over the pictures and u from U(0, 1).
    return 392 + 0.5 * np.log((p**2 - 0.01 * p + 1e-4 / 3).mean(0)).sum()


def encoder(couple):
    x = keras.Input((784,))
    h = layers.UniformNoise(-0.01, 0.0, seed=0)(x)
    for i in range(4):
        h1, h2 = layers.SplitVector()(layers.Shuffle()(h))
        shift = coupling_net(784, (200, 200), "relu", name=f"net_{i}")(h1)
        h = layers.ConcatVector()(couple()([h1, h2, shift]))
    return keras.Model(x, layers.Scale("zeros", factor=10.0, data_init=True)(h))


@pytest.mark.slow
def test_the_networks_learn_only_with_the_right_sign_of_the_couplings():
    """With ReLU outputs x2 + m pushes positive data away, so m dies and the scaling is left."""
    (pixels, _), _ = datasets.mnist()
    pixels = pixels.reshape(-1, 784)
    assert scale_alone(pixels) == pytest.approx(-1482.7, abs=0.1)
    x, losses = (pixels[:2048] / np.float32(255)), []
    for couple in (layers.AddCouple, lambda: layers.AddCouple().inverse()):
        flow = Flow(encoder(couple))
        flow.compile(keras.optimizers.Adam(1e-3))
        loss = flow.fit(x, batch_size=128, epochs=8, verbose=0).history["loss"][-1]
        losses.append(loss - nice_mnist.NORMAL_CONSTANT)
    right, turned = losses
    assert right < scale_alone(pixels[:2048]) - 50 < turned - 50
