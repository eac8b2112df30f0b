"""The line and the metrics of certified bounds that recipes report after training."""

import json

import keras
import pytest

from keras_flows import Flow
from keras_flows.layers import Residual
from keras_flows.models import NICE, ImplicitFlow, ResidualFlow
from keras_flows.recipes.parts.certified import report_bounds
from tests.numeric import array


@pytest.mark.parametrize("builder", [ResidualFlow, ImplicitFlow])
def test_the_largest_bound_of_all_networks_is_reported(builder, capsys):
    flow = builder(2, steps=2, hidden=8, lipschitz=0.8, seed=0)
    block = next(v for v in flow.encoder.layers if hasattr(v, "nets"))
    for layer in block.nets[-1].affine:
        layer.kernel.assign(100 * array(layer.kernel))
    metrics = json.loads(json.dumps(report_bounds(flow)))["certified_bounds"]
    assert metrics["blocks"] == 2 and metrics["not_below_1"] == []
    assert metrics["largest"] == pytest.approx(0.8, rel=1e-3) == max(block.bounds())
    assert metrics["mean"] < metrics["largest"]
    assert "2 blocks: largest 0.8000, all below 1." in capsys.readouterr().out


def test_blocks_without_a_bound_below_1_are_named(capsys):
    x = keras.Input((2,))
    net = keras.Sequential([keras.layers.Dense(2)])
    flow = Flow(keras.Model(x, Residual(net, name="free")(x)))
    metrics = report_bounds(flow)["certified_bounds"]
    assert metrics == {"blocks": 1, "largest": None, "mean": None, "not_below_1": ["free"]}
    assert "1 or more, or unknown: free." in capsys.readouterr().out


def test_a_flow_without_such_blocks_has_no_bounds(capsys):
    assert report_bounds(NICE(2, steps=1, hidden=4)) == {} and capsys.readouterr().out == ""
