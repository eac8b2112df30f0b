"""The recipe of the invertible classifier beside an ordinary one."""

import json

import keras
import numpy as np
import pytest

from keras_flows.files import LOCK
from keras_flows.recipes import iresnet_mnist

RUN = "--limit 400 --epochs 1 --steps 1 --hidden 4 --rebuild 30 --batch-size 50".split()


@pytest.mark.slow
def test_a_run_leaves_models_metrics_and_a_picture(tmp_path):
    iresnet_mnist.main([*RUN, "--out", str(tmp_path)])
    names = {path.name for path in tmp_path.iterdir()} - {LOCK}
    models = {f"iresnet_mnist_{name}.keras" for name in iresnet_mnist.MODELS}
    assert names == {"iresnet_mnist.png", "metrics.json", *models}
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    first, second = (metrics["models"][name] for name in iresnet_mnist.MODELS)
    assert first["parameters"] == second["parameters"]
    assert first["rebuilt"]["largest_error"] < 1e-4 and first["rebuilt"]["converged"] == 30
    assert first["certified_bounds"]["largest"] < 1
    assert len(second["certified_bounds"]["not_below_1"]) == second["certified_bounds"]["blocks"]
    model = keras.models.load_model(tmp_path / "iresnet_mnist_invertible.keras")
    _, (x, y) = iresnet_mnist.load(iresnet_mnist.main.options(RUN))
    accuracy = np.mean(model.predict(x, 500, verbose=0).argmax(-1) == y)
    assert accuracy == pytest.approx(first["test_accuracy"], abs=1e-3)


def test_the_picture_has_a_row_for_each_model(tmp_path):
    from imageio.v3 import imread

    rows = [np.full((25, 28, 28, 1), value) for value in (0.0, 0.5, np.inf)]
    iresnet_mnist.draw(tmp_path / "rows.png", rows)
    picture = imread(tmp_path / "rows.png")
    assert picture.shape == (9 * 28, 10 * 28)
    assert list(picture[::28, 0][:4]) == [0, 128, 255, 0]


def test_a_dry_run_writes_nothing(tmp_path, capsys):
    out = tmp_path / "none"
    iresnet_mnist.main([*RUN, "--models", "invertible", "--dry-run", "--out", str(out)])
    assert not out.exists() and "accuracy" in capsys.readouterr().out
