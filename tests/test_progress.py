"""Progress bars: inside `progress`, over many batches, and nowhere else."""

import sys

import keras
import numpy as np
import pytest

from keras_flows import models, progress
from keras_flows.cli import main


@pytest.fixture(scope="module")
def flow():
    return models.MAF(2, steps=1, hidden=4, standardize=False, seed=0)


CALLS = {
    "log_prob": lambda f, n: f.log_prob(np.zeros((n, 2)), batch_size=2),
    "encode": lambda f, n: f.encode(np.zeros((n, 2)), batch_size=2),
    "sample": lambda f, n: f.sample(n, batch_size=2, seed=0),
    "reconstruct": lambda f, n: f.reconstruct(np.zeros((n, 2)), batch_size=2),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_bar_over_many_batches(flow, name, capsys):
    with progress():
        CALLS[name](flow, 8)
    assert "4/4" in capsys.readouterr().out
    with progress():
        CALLS[name](flow, 4)
    CALLS[name](flow, 8)
    with progress(False):
        CALLS[name](flow, 8)
    with progress("auto"):
        CALLS[name](flow, 8)
    assert not capsys.readouterr().out


def test_denoising_shows_a_bar(capsys):
    flow = models.TarFlow((4, 4, 1), steps=1, hidden=4, blocks=1, heads=1, seed=0)
    with progress():
        flow.denoise(np.zeros((8, 4, 4, 1), "float32"), batch_size=2)
    assert "8/8" in capsys.readouterr().out


def test_commands_show_a_bar_on_a_terminal(flow, tmp_path, capsys, monkeypatch):
    keras.saving.save_model(flow, tmp_path / "flow.keras")
    command = ["sample", str(tmp_path / "flow.keras"), "--n", "40000"]  # batches of 10,000
    outputs = []
    for terminal in (True, False):
        monkeypatch.setattr(sys.stdout, "isatty", lambda shown=terminal: shown, raising=False)
        main([*command, "--out", str(tmp_path / f"{terminal}.npy")])
        outputs.append(capsys.readouterr().out)
    assert "4/4" in outputs[0] and "4/4" not in outputs[1]
