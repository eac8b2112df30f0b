"""Neural spline flows of both kinds: densities, learning, contexts, options."""

import keras
import numpy as np
import pytest

from keras_flows.models import NSF
from keras_flows.networks import ResidualDense
from tests.flows import trained, vectors
from tests.multiscale import eager
from tests.numeric import array, perturb

SMALL = {"steps": 2, "bins": 5, "hidden": 12, "blocks": 1}
KINDS = ("coupling", "autoregressive")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dims", [2, 5])
def test_round_trip_and_density(kind, dims):
    flow = eager(perturb(NSF(dims, kind=kind, seed=0, **SMALL), 0.1))
    x = vectors(64, dims)
    flow.adapt(x)
    np.testing.assert_allclose(flow.reconstruct(x), x, atol=1e-3)
    if dims == 2:
        axis = np.linspace(-16, 20, 451)
        grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2).astype("float32")
        density = np.exp(flow.log_prob(grid, batch_size=65536))
        assert density.sum() * 0.08**2 == pytest.approx(1, abs=5e-3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_separate_peaks_are_learned(kind):
    rng = np.random.default_rng(0)
    x = (0.1 * rng.normal(size=(512, 2)) + rng.choice([-1, 1], (512, 2))).astype("float32")
    flow = trained(NSF(2, kind=kind, seed=0, **SMALL), x, epochs=10, rate=0.02)
    # A Gaussian has -2.8 nats here, four peaks -0.2 at best.
    assert flow.log_prob(x).mean() > -1.2
    between = np.abs(flow.sample(1000, seed=0)) < 0.5
    assert between.mean() < 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_contexts_and_classes(kind, tmp_path):
    flow = perturb(NSF(3, kind=kind, classes=4, seed=0, **SMALL), 0.1)
    x, labels = vectors(20, 3), np.arange(20) % 4
    flow.adapt([x, labels])
    np.testing.assert_allclose(flow.reconstruct(x, labels), x, atol=1e-3)
    assert np.abs(flow.log_prob(x, labels) - flow.log_prob(x, labels[::-1])).max() > 1e-2
    flow.save(tmp_path / "nsf.keras")
    again = keras.models.load_model(tmp_path / "nsf.keras")
    np.testing.assert_allclose(again.log_prob(x, labels), flow.log_prob(x, labels), atol=1e-4)
    conditional = eager(NSF(3, kind=kind, context_dims=2, **SMALL))
    assert conditional.sample(6, context=np.ones((2,), "float32")).shape == (6, 3)


def test_dropout_acts_only_in_training():
    net = ResidualDense(3, hidden=16, dropout=0.5)
    x = vectors(8)
    net(x)
    perturb(net, 0.5)
    np.testing.assert_array_equal(array(net(x)), array(net(x)))
    assert np.abs(array(net(x, training=True)) - array(net(x))).max() > 1e-3


@pytest.mark.parametrize(
    "options",
    [
        {"dims": 1, "kind": "coupling"},
        {"dims": 0},
        {"dims": 3, "kind": "residual"},
        {"dims": 3, "kind": "autoregressive", "dropout": 0.1},
        {"dims": 3, "bins": 1},
        {"dims": 3, "tail_bound": 0},
        {"dims": 3, "steps": 0},
        {"dims": 3, "hidden": 0},
        {"dims": 3, "dropout": 1.0},
    ],
    ids=str,
)
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(ValueError, match="Received"):
        NSF(**options)
