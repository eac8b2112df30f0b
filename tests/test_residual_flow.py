"""ResidualFlow: vectors, pictures, contexts; what it learns, and what its blocks certify."""

import keras
import numpy as np
import pytest

from keras_flows import toys
from keras_flows.layers import Residual
from keras_flows.models import ResidualFlow
from tests.numeric import array


def blocks(flow):
    return [layer for layer in flow.encoder.layers if isinstance(layer, Residual)]


def test_it_learns_a_density_and_certifies_its_blocks():
    flow = ResidualFlow(2, steps=2, hidden=16, lipschitz=0.9, seed=0)
    flow.compile(keras.optimizers.Adam(0.03), jit_compile=False)
    x = toys.draw("moons", 3200, seed=0)
    flow.adapt(x)
    before = flow.log_prob(x[:500]).mean()
    flow.fit(x, batch_size=64, epochs=1, verbose=0)
    assert flow.log_prob(x[:500]).mean() > before + 0.08
    assert all(0 < layer.bounds()[0] < 0.9001 for layer in blocks(flow))
    samples = flow.sample(100, seed=0)
    assert np.isfinite(samples).all()
    np.testing.assert_allclose(flow.reconstruct(samples), samples, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("backprop", [None, "remat"])
def test_pictures_have_bits_and_come_back(backprop, tmp_path):
    options = {"levels": 2, "steps": 1, "hidden": 4, "dense_steps": 1, "eval_terms": 3}
    flow = ResidualFlow((4, 4, 1), **options, lipschitz=0.6, seed=0)
    flow.backprop = backprop
    flow.compile(keras.optimizers.Adam(1e-3))
    x = np.random.default_rng(0).integers(0, 256, (16, 4, 4, 1)).astype("uint8")
    flow.fit(x, batch_size=8, verbose=0)
    assert 6 < flow.bits_per_dim(x).mean() < 14
    np.testing.assert_array_equal(flow.reconstruct(x), x)
    log_prob, error = flow.log_prob_error(x)
    assert np.all(error > 0) and np.all(error < 1)
    layers = blocks(flow)
    assert len(layers) == 3 and {layer.method for layer in layers} == {"roulette"}
    assert all(layer.bounds()[0] < 1 for layer in layers)


@pytest.mark.slow
@pytest.mark.parametrize("shape,options", [(3, {"context_dims": 2}), ((4, 4, 1), {"classes": 3})])
def test_contexts(shape, options):
    flow = ResidualFlow(shape, steps=1, levels=1, hidden=4, lipschitz=0.6, seed=0, **options)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 3)) if shape == 3 else rng.integers(0, 256, (8, 4, 4, 1))
    y = rng.normal(size=(8, 2)) if shape == 3 else rng.integers(0, 3, 8)
    x, y = (
        x.astype("float32" if shape == 3 else "uint8"),
        y.astype("float32" if shape == 3 else "int32"),
    )
    flow.compile("adam")
    flow.fit(x, y, verbose=0)
    for layer in blocks(flow):
        layer.net.from_context.kernel.assign(array(layer.net.from_context.kernel) + 1)
    assert np.abs(flow.encode(x, y) - flow.encode(x, y[::-1].copy())).max() > 1e-3
    np.testing.assert_allclose(flow.reconstruct(x, y), x, atol=1e-3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ResidualFlow(0),
        lambda: ResidualFlow(2, steps=0),
        lambda: ResidualFlow((5, 5, 1), levels=2),
        lambda: ResidualFlow((4, 4, 1), levels=1, context_dims=2),
        lambda: ResidualFlow(2, dense_steps=-1),
        lambda: ResidualFlow(2, lipschitz=1.0),
        lambda: ResidualFlow(2, log_det="trace"),
    ],
)
def test_options_that_cannot_work_are_refused(make):
    with pytest.raises(ValueError, match="Received"):
        make()
