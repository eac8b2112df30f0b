"""The recipes for residual flows: what is measured, and the options of the paper."""

import json

import numpy as np
import pytest

from keras_flows.layers import Residual
from keras_flows.networks import LipschitzConvNet, LipschitzMLP
from keras_flows.recipes import residual_cifar10, residual_mnist
from tests.test_residual import flow_of, points

SMALL = "--depth 1 --hidden 4 --lipschitz 0.6 --terms 2 --epochs 1 --rows 2 --columns 2"


def digits(count):
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28)).astype("uint8")


@pytest.mark.slow
def test_a_run_reports_bits_errors_of_estimation_and_bounds(tmp_path):
    data = tmp_path / "mnist.npz"
    np.savez(data, x_train=digits(48), x_test=digits(16))
    options = f"--holdout 16 --batch-size 16 --data {data} --out {tmp_path / 'run'}"
    residual_mnist.main([*SMALL.split(), *options.split()])
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    estimate, bounds = metrics["test_estimate"], metrics["certified_bounds"]
    assert metrics["test"]["pictures"] == estimate["pictures"] == 16
    assert abs(metrics["test"]["bits_per_dim"] - estimate["bits_per_dim"]) < 0.2
    error, of_a_picture = estimate["estimation_error"], estimate["estimation_error_of_a_picture"]
    assert 0 < error <= of_a_picture < 0.1
    assert bounds["blocks"] == 1 and bounds["not_below_1"] == [] and bounds["largest"] < 0.8
    assert metrics["inversion_error"] < 0.5
    assert (tmp_path / "run" / "grid.png").exists()


def test_errors_of_one_batch_add_up(monkeypatch):
    flow = flow_of(Residual(LipschitzMLP((4,), 0.5), "series", eval_probes=1), dims=9)
    asked = []

    def log_prob_error(x, batch_size):
        asked.append([v.eval_probes for v in flow.encoder.layers if isinstance(v, Residual)])
        return np.zeros(len(x)), np.full(len(x), 9 * np.log(2))

    monkeypatch.setattr(flow, "log_prob_error", log_prob_error)
    residual_metrics = residual_mnist.residual_metrics
    estimate = residual_metrics(flow, points(8, 9), 4)["test_estimate"]
    assert asked == [[2]] and flow.encoder.layers[1].eval_probes == 1
    # Two independent batches whose pictures have equal errors of 1 bit/dim.
    assert estimate["estimation_error"] == pytest.approx(2**-0.5)
    assert estimate["estimation_error_of_a_picture"] == pytest.approx(1)


def test_the_cifar_recipe_has_the_papers_configuration():
    args = residual_cifar10.main.options([])
    assert (args.levels, args.depth, args.dense_depth, args.hidden) == (3, 16, 4, 512)
    assert (args.alpha, args.ema, args.batch_size, args.log_det) == (0.05, 0.999, 64, "roulette")
    args.depth, args.dense_depth, args.hidden = 1, 1, 4
    flow = residual_cifar10.build(args)
    blocks = [layer for layer in flow.encoder.layers if isinstance(layer, Residual)]
    kinds = [LipschitzConvNet] * 3 + [LipschitzMLP]
    assert [type(block.net) for block in blocks] == kinds
    assert {block.eval_method for block in blocks} == {"roulette"} and flow.dims == 3072
