"""Implicit and monotone layers: gradients of the equation, estimates, and what is not converged."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import Flow, layers, networks
from keras_flows.backend import native
from keras_flows.core import lipschitz
from keras_flows.models import ImplicitFlow
from tests.numeric import array, arrays
from tests.test_residual import branch_net, flow_of, points

MAKERS = {
    "implicit": lambda **o: layers.Implicit(branch_net(0.8), branch_net(0.7), **o),
    "monotone": lambda **o: layers.Monotone(branch_net(0.7), **o),
}


def gradients(layer, function, x):
    """The gradients, by x and by the trained weights, of one number made of the outputs."""
    weights = layer.trainable_variables

    def objective(x, *values):
        with keras.StatelessScope(state_mapping=list(zip(weights, values))):
            z = function(x)
        way = np.random.default_rng(3).normal(size=z.shape)
        return ops.sum(z * ops.convert_to_tensor(way))

    tensors = [ops.convert_to_tensor(v) for v in [x, *arrays(weights)]]
    parts = native.vjp(objective, tensors, ops.ones((), tensors[0].dtype))[1]
    return np.concatenate([part.ravel() for part in arrays(parts)])


@pytest.mark.parametrize(
    "bound,iterations", [(0.5, 50), pytest.param(0.9, 500, marks=pytest.mark.slow)]
)
def test_gradients_are_those_of_unrolled_iterations(bound, iterations, float64):
    layer = layers.Implicit(branch_net(bound, 3), branch_net(bound, 3))
    layer(points(1, 3))
    lipschitz.refresh(layer)

    def unrolled(x):
        target = x + layer.net_x(x)
        z = ops.zeros_like(x)
        for _ in range(iterations):
            z = target - layer.net_z(z)
        return z

    x = points(2, 3)
    implicit, exact = (gradients(layer, f, x) for f in (lambda x: layer.encode(x)[0], unrolled))
    np.testing.assert_allclose(implicit, exact, rtol=1e-5, atol=1e-5 * np.abs(exact).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKERS)
def test_estimates_agree_with_the_exact_determinant_within_their_standard_error(name):
    flow = flow_of(MAKERS[name](log_det="roulette", seed=1, eval_probes=8))
    x = points(40)
    log_prob, error = flow.log_prob_error(x)
    exact = flow_of(MAKERS[name]()).log_prob(x)
    assert 0.5 < np.sqrt(np.mean(((log_prob - exact) / error) ** 2)) < 2


def test_a_monotone_layer_is_the_resolvent_of_the_paper(float64):
    layer = layers.Monotone(branch_net(0.8))
    x = points(4)
    z = array(layer(x))
    u = x + z  # (u + g(u)) / 2 + (u - g(u)) / 2
    np.testing.assert_allclose(array(layer.net(u)), x - z, atol=1e-8)


def test_the_density_of_what_has_not_converged_is_no_number():
    layer = layers.Implicit(branch_net(0.9), branch_net(0.9), max_iterations=2)
    with pytest.warns(RuntimeWarning, match="results are not finite"):
        assert np.isnan(flow_of(layer).log_prob(points(5))).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind,shape", [("implicit", 2), ("monotone", 2), ("implicit", (4, 4, 1))])
def test_a_flow_trains_is_saved_and_comes_back(kind, shape, tmp_path):
    options = {"steps": 1, "levels": 1, "hidden": 8, "lipschitz": 0.7, "eval_terms": 3, "seed": 0}
    flow = ImplicitFlow(shape, kind=kind, **options)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 2)) if shape == 2 else rng.integers(0, 256, (64, 4, 4, 1))
    x = x.astype("float32" if shape == 2 else "uint8")
    flow.compile(keras.optimizers.Adam(0.01))
    flow.fit(x, batch_size=32, verbose=0)
    np.testing.assert_allclose(flow.reconstruct(x[:9]), x[:9], atol=1e-3)
    assert np.isfinite(flow.log_prob(x[:9])).all() and np.isfinite(flow.sample(4, seed=0)).all()
    flow.save(tmp_path / "flow.keras")
    again = keras.saving.load_model(tmp_path / "flow.keras")
    assert isinstance(again, Flow)
    np.testing.assert_allclose(again.encode(x[:9]), flow.encode(x[:9]), atol=1e-4)


def test_options_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match="Received: kind='explicit'"):
        ImplicitFlow(2, kind="explicit")
    with pytest.raises(ValueError, match="ImplicitFlow needs dims.*Received"):
        ImplicitFlow(0)
    with pytest.raises(ValueError, match="Received: net_z"):
        layers.Implicit(networks.LipschitzMLP(), 3)
