"""Residual layers: estimated log-determinants and their gradients, inverses that say how far."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

import keras_flows
from keras_flows import Flow, layers, networks
from keras_flows.backend import native
from keras_flows.core import lipschitz
from keras_flows.core.branch import Branch
from keras_flows.core.reports import Reports
from keras_flows.layers import log_det as log_dets
from keras_flows.testing import LayerCheck
from tests.numeric import array, arrays, program

DIMS = 6


def branch_net(bound, dims=DIMS, hidden=(12,), scale=1.0):
    """A network of always the same weights, whose layers reach their bounds."""
    net = networks.LipschitzMLP(hidden, bound)
    net(np.zeros((1, dims)))
    rng = np.random.default_rng(0)
    for weight in net.trainable_variables:
        spread = scale if "kernel" in weight.path else 0.3
        weight.assign(spread * rng.normal(size=weight.shape))
    lipschitz.refresh(net)
    return net


def points(n, dims=DIMS, seed=1):
    return np.random.default_rng(seed).normal(size=(n, dims)).astype(keras.config.floatx())


def flow_of(*steps, dims=DIMS):
    x = h = keras.Input((dims,))
    for layer in steps:
        h = layer(h)
    return Flow(keras.Model(x, h))


def gradient_program(net, log_det):
    """`log_det(x, *tensors)` compiled, and its mean's gradients by x and by the trained weights."""

    weights = [ops.convert_to_tensor(w) for w in arrays(net.trainable_variables)]

    def run(x, *tensors):
        def objective(x, *values):
            with keras.StatelessScope(state_mapping=list(zip(net.trainable_variables, values))):
                return ops.mean(log_det(x, *tensors))

        value, parts = native.vjp(objective, [x, *weights], ops.ones((), x.dtype))
        return value, ops.concatenate([ops.reshape(part, (-1,)) for part in parts])

    compiled = program(run)
    return lambda *tensors: arrays(compiled(*map(ops.convert_to_tensor, tensors)))


@pytest.mark.parametrize("bound", [0.5, 0.9])
def test_the_roulette_and_its_gradients_have_no_bias(bound, float64):
    net, x, rng = branch_net(bound), points(1), np.random.default_rng(0)
    stop = (1 - net.bound() ** 2) / 2
    assert float(array(log_dets.stopping(net.bound()))) == pytest.approx(stop)

    def roulette(x, extra, noise):
        many = ops.repeat(x, 250, axis=0)
        estimate = log_dets.estimate(
            Branch(net), many, noise, 1, 2, extra, ops.convert_to_tensor(stop)
        )
        return log_dets.with_gradient(Branch(net), many, estimate, 1)[1]

    value, slopes = gradient_program(net, lambda x: log_dets.exact(Branch(net), x))(x)
    ways = np.stack([np.arange(len(slopes)) < DIMS, *rng.normal(size=(2, len(slopes)))])
    estimate = gradient_program(net, roulette)
    draws = []
    for extra in rng.geometric(stop, size=40).astype("int32"):
        values, gradients = estimate(x, extra, rng.choice([-1.0, 1.0], size=(250, DIMS)))
        draws.append([values, *(ways @ gradients)])
    error = np.std(draws, axis=0, ddof=1) / np.sqrt(len(draws))
    true = np.array([value, *(ways @ slopes)])
    assert np.all(np.abs(np.mean(draws, axis=0) - true) < 3 * error)
    assert error[0] < 0.02 and abs(value) > 10 * error[0]


def test_a_series_over_all_signs_is_the_exact_one_and_what_it_leaves_out_is_small(float64):
    net, x = branch_net(0.5, 3), points(1, 3)
    signs = 1.0 - 2 * (np.arange(8)[:, None] >> np.arange(3) & 1)

    def series(sign):
        def log_det(x):
            many = ops.repeat(x, len(signs), axis=0)
            noise = ops.convert_to_tensor(signs)
            estimate = log_dets.estimate(Branch(net), many, noise, 1, 25, sign=sign)
            return log_dets.with_gradient(Branch(net), many, estimate, 1)[1]

        return gradient_program(net, log_det)(x)

    for sign in (1.0, -1.0):
        exact = gradient_program(net, lambda x, s=sign: log_dets.exact(Branch(net), x, s))(x)
        for value, true in zip(series(sign), exact):
            np.testing.assert_allclose(value, true, rtol=1e-6, atol=1e-7)


def test_drawn_numbers_have_their_distributions():
    stop = ops.convert_to_tensor(np.float32(0.3))
    seed = keras.random.SeedGenerator(0)
    drawn = np.array([int(array(log_dets.geometric(stop, seed))) for _ in range(100)])
    assert drawn.min() == 1 and drawn.mean() == pytest.approx(1 / 0.3, abs=1)
    signs = array(log_dets.rademacher(ops.zeros((50, 7)), 4, seed))
    assert signs.shape == (200, 7) and set(np.unique(signs)) == {-1, 1} and abs(signs.mean()) < 0.1


@pytest.mark.parametrize("method", [pytest.param("series", marks=pytest.mark.slow), "roulette"])
def test_estimates_agree_with_the_exact_determinant_within_their_standard_error(method):
    net = branch_net(0.7)
    flow = flow_of(layers.Residual(net, method, seed=1, eval_probes=8))
    x = points(40)
    log_prob, error = flow.log_prob_error(x)
    exact = flow_of(layers.Residual(net)).log_prob(x)
    assert np.all(error > 0) and log_prob.shape == error.shape == (40,)
    assert 0.5 < np.sqrt(np.mean(((log_prob - exact) / error) ** 2)) < 2
    none = flow_of(layers.Residual(net)).log_prob_error(x)
    np.testing.assert_allclose(none[0], exact, rtol=1e-5)
    assert not none[1].any()


def test_both_directions_are_right_in_float64(float64):
    """The whole battery is slow."""
    check = LayerCheck(layers.Residual(branch_net(0.7, 3)), points(3, 3))
    lipschitz.refresh(check.layer)
    check.round_trip()
    check.log_det()


@pytest.mark.parametrize("bound", [0.59, 0.9, 0.97])
def test_the_true_error_of_an_inverse_is_below_the_reported_one(bound, float64):
    layer = layers.Residual(branch_net(bound, hidden=(12, 12)), tolerance=1e-5)
    x = points(20)
    z = layer(x)
    with Reports(log_det=False) as reports:
        again, log_det = layer.decode(z)
    assert log_det is None
    error, converged = array(reports.largest_error(z)), array(reports.all_converged(z))
    true = np.linalg.norm(array(again) - x, axis=1)
    assert converged.all() and np.all(true <= error) and error.max() < 1e-3


def expanding():
    """A block of a network that stretches distances by 1.3."""
    net = keras.layers.Dense(2, use_bias=False, kernel_initializer="identity")
    block = layers.Residual(keras.Sequential([keras.layers.Rescaling(-1.3), net]))
    return flow_of(block, dims=2)


def test_samples_that_have_not_converged_are_never_returned_in_silence():
    flow = expanding()
    for call in (lambda: flow.sample(5, seed=0), lambda: flow.reconstruct(points(3, 2))):
        with pytest.warns(keras_flows.NotConverged, match="of . samples have not converged"):
            assert call().shape[1:] == (2,)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=keras_flows.NotConverged)
        with pytest.raises(keras_flows.NotConverged):
            flow.decode(points(3, 2))
    assert np.isnan(array(flow.decoder(points(3, 2)))).all()  # nobody listens
    fine = flow_of(layers.Residual(branch_net(0.9)))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=keras_flows.NotConverged)
        x = fine.sample(4, seed=0)
        np.testing.assert_allclose(fine.reconstruct(x), x, atol=1e-3)


@pytest.mark.slow
def test_training_keeps_norms_and_a_file_keeps_them(tmp_path):
    flow = flow_of(layers.Residual(networks.LipschitzMLP((16,), 0.8)), layers.Actnorm(), dims=2)
    flow.compile(keras.optimizers.Adam(0.03))
    x = np.random.default_rng(0).uniform(-2, 2, size=(640, 2)).astype("float32")
    flow.fit(x, batch_size=64, epochs=2, verbose=0)
    layer = next(v for v in flow.encoder.layers if isinstance(v, layers.Residual))
    assert lipschitz.is_stale(flow)
    log_prob = flow.log_prob(x[:9])
    assert not lipschitz.is_stale(flow) and layer.bounds()[0] <= 0.8001
    assert float(array(layer.certificates[0])) == pytest.approx(layer.bounds()[0])
    flow.save(tmp_path / "flow.keras")
    again = keras.saving.load_model(tmp_path / "flow.keras")
    np.testing.assert_allclose(again.log_prob(x[:9]), log_prob, atol=1e-5)
    np.testing.assert_allclose(again.reconstruct(x[:9]), x[:9], atol=1e-4)


def test_an_inverse_layer_keeps_its_norms_in_training():
    layer = layers.Residual(branch_net(0.7, 2))
    inverse, z = layer.inverse(), ops.convert_to_tensor(points(4, 2))
    inverse(z)
    left = layer.net.affine[0].left
    left.assign(np.ones(left.shape) / left.shape[0] ** 0.5)
    before = array(left)
    inverse(z, training=False)
    np.testing.assert_array_equal(array(left), before)
    inverse(z, training=True)
    assert np.abs(array(left) - before).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("method", ["exact", "roulette"])
def test_remat_trains_as_without(method):
    weights = []
    for backprop in (None, "remat"):
        keras.utils.set_random_seed(0)
        steps = [layers.Residual(branch_net(0.7), method, seed=i) for i in range(2)]
        flow = flow_of(layers.Chain(steps))
        flow.backprop = backprop
        flow.compile(keras.optimizers.SGD(0.1))
        flow.fit(points(64), batch_size=32, verbose=0, shuffle=False)
        weights.append(np.concatenate([w.ravel() for w in arrays(flow.trainable_variables)]))
    np.testing.assert_allclose(*weights, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_context_conditions_the_density():
    x, context = keras.Input((2,)), keras.Input((3,))
    net = networks.LipschitzMLP((8,), 0.8)
    flow = Flow(keras.Model([x, context], layers.Residual(net)([x, context])))
    data, given = points(5, 2), points(5, 3)
    first, other = flow.log_prob(data, given), flow.log_prob(data, given[::-1].copy())
    assert not np.allclose(first, other)
    np.testing.assert_allclose(flow.reconstruct(data, given), data, atol=1e-4)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="torch shows what it keeps")
def test_memory_of_the_gradient_does_not_grow_with_the_terms():
    import torch

    net, x = branch_net(0.7), ops.convert_to_tensor(points(8))
    seed, kept = keras.random.SeedGenerator(0), []
    for terms in (2, 40):
        sizes = []

        def keep(tensor, sizes=sizes):
            sizes.append(tensor.nelement())
            return tensor

        noise = log_dets.rademacher(x, 1, seed)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            estimate = log_dets.estimate(Branch(net), x, noise, 1, terms)
            before = sum(sizes)
            sizes.clear()
            log_dets.with_gradient(Branch(net), x, estimate, 1)
        kept.append((before, sum(sizes)))
        # The series itself keeps one evaluation of the network while it runs, and nothing after.
        assert not any(part.requires_grad for part in estimate)
    assert kept[0] == kept[1]
