"""Residual, implicit and monotone layers after training: errors, batches, memory, files."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import keras_flows
from keras_flows import layers, toys
from keras_flows.backend import native
from keras_flows.core import lipschitz
from keras_flows.core.branch import Branch
from keras_flows.core.reports import Reports
from keras_flows.layers import log_det as log_dets
from keras_flows.models import ImplicitFlow, ResidualFlow
from keras_flows.training.callbacks import AveragedWeights
from tests.numeric import array, arrays
from tests.test_residual import branch_net, flow_of, points

ROOT = Path(__file__).parents[1]
OTHER_BACKENDS = sorted({"tensorflow", "jax", "torch"} - {keras.backend.backend()})


def trained(builder=ResidualFlow, bound=0.9, steps=2):
    """A small flow after twelve large steps on two moons, and other points."""
    keras.utils.set_random_seed(0)
    flow = builder(2, steps=steps, hidden=16, lipschitz=bound, seed=0)
    flow.compile(keras.optimizers.Adam(0.05), jit_compile=False)
    flow.run_eagerly = keras.backend.backend() != "jax"  # for few steps, faster than compiling
    x = toys.draw("moons", 768 + 40, seed=0)
    flow.fit(x[:768], batch_size=64, verbose=0)
    lipschitz.refresh(flow)
    return flow, x[768:]


def blocks(flow):
    return [v for v in flow.encoder.layers if hasattr(v, "certificates")]


@pytest.mark.parametrize(
    "bound", [0.59, *(pytest.param(bound, marks=pytest.mark.slow) for bound in (0.9, 0.97))]
)
def test_the_true_error_of_a_trained_inverse_is_below_the_reported_one(bound):
    flow, x = trained(bound=bound)
    for layer in blocks(flow):
        assert layer.bounds()[0] == pytest.approx(bound, rel=0.3) and layer.bounds()[0] < 1
        layer.tolerance = 1e-3  # far above rounding, so that the iteration itself is seen
        z = layer(x)
        with Reports(log_det=False) as reports:
            again, _ = layer.decode(z)
        error, converged = array(reports.largest_error(z)), array(reports.all_converged(z))
        true = np.linalg.norm(array(again) - x, axis=1)
        assert converged.all() and np.all(true <= error), (true / error).max()
        assert 0 < true.max() and error.max() < 1e-2


@pytest.mark.parametrize(
    "builder", [ResidualFlow, pytest.param(ImplicitFlow, marks=pytest.mark.slow)]
)
def test_a_sample_of_a_trained_flow_does_not_depend_on_its_batch(builder):
    flow, x = trained(builder, 0.97)
    z = flow.encode(x)
    z[1:] *= np.linspace(0.1, 30, len(z) - 1)[:, None]  # some far away, which take longer
    one, all_of_them = flow.decode(z[:1]), flow.decode(z)
    np.testing.assert_allclose(one, all_of_them[:1], atol=2e-6)
    np.testing.assert_allclose(flow.log_prob(x[:1]), flow.log_prob(x)[:1], atol=1e-5)


def test_a_trained_block_whose_network_is_scaled_to_slopes_of_1_3_is_flagged():
    flow, x = trained(steps=1)
    net = blocks(flow)[0].net
    ways, start = 1e-2 * np.eye(2, dtype="float32"), array(net(x))
    slopes = [100 * np.linalg.norm(array(net(x + way)) - start, axis=1) for way in ways]
    scale = 1.3 / np.median(np.max(slopes, axis=0))
    stretched = keras.Sequential([net, keras.layers.Rescaling(scale)])
    layer = layers.Residual(stretched)
    other = flow_of(layer, dims=2)
    assert layer.bounds() == [None]  # nothing certifies a Rescaling
    z = array(layer(x))
    with pytest.warns(keras_flows.NotConverged, match="of 40 samples have not converged"):
        other.decode(z)


MAKERS = {
    "residual": lambda method: layers.Residual(branch_net(0.7), method, seed=0),
    "implicit": lambda method: layers.Implicit(branch_net(0.8), branch_net(0.6), method, seed=0),
    "monotone": lambda method: layers.Monotone(branch_net(0.7), method, seed=0),
}


def gradients(make, method, backprop):
    """The gradients of a training step by all weights of two blocks."""
    keras.utils.set_random_seed(0)
    flow = flow_of(make(method), layers.Actnorm(), make(method))
    flow.backprop = backprop
    flow.compile(keras.optimizers.SGD(1.0), jit_compile=False)
    x = points(16)
    flow.adapt(x)
    before = arrays(flow.trainable_variables)
    flow.fit(x, batch_size=16, verbose=0)
    after = arrays(flow.trainable_variables)
    return np.concatenate([(a - b).ravel() for a, b in zip(before, after)])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["exact", "series"])
@pytest.mark.parametrize("name", MAKERS)
def test_remat_has_the_same_gradients(name, method):
    plain, again = (gradients(MAKERS[name], method, mode) for mode in (None, "remat"))
    assert np.abs(plain).max() > 1e-3
    np.testing.assert_allclose(again, plain, rtol=1e-3, atol=1e-5 * np.abs(plain).max())


def neumann_gradient(terms):
    """A function of x: the gradient of an estimated log-determinant by x and by the weights."""
    net = branch_net(0.7)
    weights = [ops.convert_to_tensor(w) for w in arrays(net.trainable_variables)]
    noise = ops.convert_to_tensor(points(8, seed=2))

    def run(x):
        def objective(x, *values):
            with keras.StatelessScope(state_mapping=list(zip(net.trainable_variables, values))):
                estimate = log_dets.estimate(Branch(net), x, noise, 1, terms)
                return ops.sum(log_dets.with_gradient(Branch(net), x, estimate, 1)[1])

        return native.vjp(objective, [x, *weights], ops.ones((), x.dtype))[1]

    return run


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="tested by torch's saved tensors")
def test_compiled_memory_of_the_gradient_does_not_grow_with_the_terms():
    x, kept = ops.convert_to_tensor(points(8)), []
    for terms in (2, 40):
        run = neumann_gradient(terms)
        if keras.backend.backend() == "jax":
            import jax

            memory = jax.jit(run).lower(x).compile().memory_analysis()
            kept.append(memory.temp_size_in_bytes)
        else:
            import tensorflow as tf

            graph = tf.function(run).get_concrete_function(x).graph.as_graph_def()
            parts = [graph.node, *(f.node_def for f in graph.library.function)]
            operations = [node.op for nodes in parts for node in nodes]
            assert "While" in operations or "StatelessWhile" in operations
            # A loop that keeps what it computed for a gradient pushes it onto a list.
            assert not [op for op in operations if op.startswith("TensorList")]
            kept.append(len(operations))
    assert kept[0] == kept[1] > 0


def test_the_standard_error_contains_the_random_length_of_a_roulette():
    options = {"eval_terms": 1, "eval_probes": 6, "seed": 3}
    flow = flow_of(layers.Residual(branch_net(0.9, scale=2.0), "roulette", **options))
    x = points(4)
    exact = flow_of(layers.Residual(branch_net(0.9, scale=2.0))).log_prob(x)
    draws = [flow.log_prob_error(x) for _ in range(60)]
    log_prob, error = (np.array(v) for v in zip(*draws))
    spread = log_prob.std(axis=0, ddof=1)
    stated = np.sqrt(np.mean(np.square(error), axis=0))
    assert np.all(np.abs(np.log(stated / spread)) < np.log(1.6)), (stated, spread)
    assert np.all(np.abs(log_prob.mean(axis=0) - exact) < 4 * spread / np.sqrt(len(draws)))


def test_training_may_take_a_series_and_evaluation_a_roulette():
    options = {"terms": 1, "eval_log_det": "roulette", "eval_probes": 12, "seed": 0}
    flow = flow_of(layers.Residual(branch_net(0.7), "series", **options))
    layer = blocks(flow)[0]
    assert (layer.method, layer.eval_method) == ("series", "roulette")
    again = layers.Residual.from_config(layer.get_config())
    assert again.eval_log_det == "roulette"
    x = points(40)
    log_prob, error = flow.log_prob_error(x)
    exact = flow_of(layers.Residual(branch_net(0.7))).log_prob(x)
    assert np.sqrt(np.mean(((log_prob - exact) / error) ** 2)) < 2
    one_term = array(layer(ops.convert_to_tensor(x), training=True))
    np.testing.assert_allclose(one_term, array(layer(ops.convert_to_tensor(x))), atol=1e-6)
    with pytest.raises(ValueError, match="Received: .*eval_log_det='trace'"):
        layers.Residual(branch_net(0.7), eval_log_det="trace")


def test_averaged_weights_are_validated_with_norms_of_their_own():
    keras.utils.set_random_seed(0)
    flow = ResidualFlow(2, steps=1, hidden=16, lipschitz=0.9, seed=0)
    optimizer = keras.optimizers.Adam(0.3, use_ema=True, ema_momentum=0.9)
    flow.compile(optimizer, jit_compile=False)
    x = toys.draw("moons", 640, seed=0)
    data = {"validation_data": (x[:64],), "validation_batch_size": 64}
    history = flow.fit(
        x, batch_size=32, epochs=2, verbose=0, callbacks=[AveragedWeights()], **data
    ).history
    expected = -flow.log_prob(x[:64]).mean()  # of the averages, which `fit` leaves in the flow
    assert history["val_loss"][-1] == pytest.approx(expected, abs=1e-4)


CHILD = """
import keras, numpy as np, keras_flows
x, out = np.load("x.npy"), {}
for name in ("residual", "implicit"):
    flow = keras.saving.load_model(f"{name}.keras")
    for model in (flow, flow.encoder, flow.decoder):
        model.run_eagerly = True
    out[name] = flow.log_prob(x)
    out[f"{name}_back"] = flow.reconstruct(x)
    blocks = [v for v in flow.encoder.layers if hasattr(v, "certificates")]
    out[f"{name}_bounds"] = [bound for block in blocks for bound in block.bounds()]
np.savez("out.npz", **out)
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", OTHER_BACKENDS)
def test_another_backend_loads_a_trained_flow(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    flows = {}
    for name, builder in (("residual", ResidualFlow), ("implicit", ImplicitFlow)):
        flows[name], x = trained(builder, 0.9, steps=1)
        flows[name].save(tmp_path / f"{name}.keras")
    np.save(tmp_path / "x.npy", x)
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    child = subprocess.run(
        [sys.executable, "-c", CHILD], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert child.returncode == 0, child.stderr
    out = np.load(tmp_path / "out.npz")
    for name, flow in flows.items():
        np.testing.assert_allclose(out[name], flow.log_prob(x), atol=1e-4)
        np.testing.assert_allclose(out[f"{name}_back"], x, atol=1e-4)
        bounds = [bound for block in blocks(flow) for bound in block.bounds()]
        np.testing.assert_allclose(out[f"{name}_bounds"], bounds, rtol=1e-6)
