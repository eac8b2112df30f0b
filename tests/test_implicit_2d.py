"""The recipe of an implicit beside a residual flow on the checkerboard."""

import json

import keras
import numpy as np
import pytest

from keras_flows import toys
from keras_flows.files import LOCK
from keras_flows.layers import Implicit, Residual
from keras_flows.recipes import implicit_2d

RUN = "--blocks 1 --hidden 8 --points 200 --batch-size 64".split()


def test_both_flows_have_as_many_networks():
    args = implicit_2d.main.options([*RUN, "--blocks", "2"])
    flows = [implicit_2d.build(args, name) for name in implicit_2d.FLOWS]
    layers = [layer for flow in flows for layer in flow.encoder.layers]
    assert [sum(isinstance(v, kind) for v in layers) for kind in (Implicit, Residual)] == [2, 4]
    assert flows[0].count_params() - flows[1].count_params() == 0
    x = toys.draw("checkerboard", 50, seed=0)
    np.testing.assert_allclose(flows[1].reconstruct(x), x, atol=1e-4)


@pytest.mark.slow
def test_a_run_leaves_models_metrics_and_a_picture(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(implicit_2d, "CHUNK", 500)
    implicit_2d.main([*RUN, "--steps", "60", "--out", str(tmp_path)])
    names = {path.name for path in tmp_path.iterdir()} - {LOCK}
    models = {f"implicit_2d_{name}.keras" for name in implicit_2d.FLOWS}
    assert names == {"implicit_2d.png", "metrics.json", *models}
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    test = toys.draw("checkerboard", 200, seed=1)
    for name, row in metrics["flows"].items():
        assert metrics["entropy"] < row["bits"] < 6.6
        assert row["certified_bounds"]["largest"] < 1
        assert row["mass_in_the_picture"] < 1.001 and row["reconstruction_error"] < 1e-3
        flow = keras.models.load_model(tmp_path / f"implicit_2d_{name}.keras")
        assert -flow.log_prob(test).mean() / np.log(2) == pytest.approx(row["bits"], abs=1e-3)


def test_a_dry_run_writes_nothing(tmp_path):
    out = tmp_path / "none"
    implicit_2d.main([*RUN, "--flows", "residual", "--dry-run", "--out", str(out)])
    assert not out.exists()
