"""MAF: densities of tables in their units, given contexts, with a mixture as the prior."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import Flow, layers
from keras_flows.data.shuffled import Shuffled
from keras_flows.models import MAF
from keras_flows.priors.mixture import AutoregressiveMixture
from tests.flows import trained, vectors
from tests.multiscale import eager
from tests.numeric import array, perturb

SMALL = {"steps": 2, "hidden": (16,)}
FLOWS = {
    "plain": lambda: MAF(2, **SMALL),
    "actnorm": lambda: MAF(2, norm="actnorm", order="random", seed=1, **SMALL),
    "residual": lambda: MAF(2, steps=2, hidden=(8,) * 3, residual=True, norm=None),
    "mixture": lambda: MAF(2, mixture=3, **SMALL),
    "context": lambda: MAF(2, context_dims=2, **SMALL),
    "classes": lambda: MAF(2, classes=3, **SMALL),
    "mixture and context": lambda: MAF(2, mixture=3, context_dims=2, **SMALL),
    "mixture and classes": lambda: MAF(2, mixture=3, classes=3, standardize=False, **SMALL),
}


def contexts_for(flow, n=64):
    rng = np.random.default_rng(5)
    if flow.classes:
        return rng.integers(0, 3, n)
    return rng.normal(size=(n, 2)).astype("float32") if flow.conditional else None


def data(flow, n=64):
    """Two dimensions, shifted by the context."""
    x, context = vectors(n, 2), contexts_for(flow, n)
    return x if context is None else x + context.reshape(n, -1).astype("float32")


@functools.cache
def adapted(name):
    flow = FLOWS[name]()
    x = data(flow)
    perturb(flow, 0.1)
    flow.adapt(x if not flow.conditional else [x, contexts_for(flow)])
    return eager(flow)


@pytest.mark.parametrize("name", FLOWS)
def test_round_trip_and_shapes(name):
    flow = adapted(name)
    x, context = data(flow), contexts_for(flow)
    assert flow.log_prob(x, context).shape == (64,)
    np.testing.assert_allclose(flow.reconstruct(x, context), x, atol=1e-4)
    one = flow.sample(5, seed=0, context=None if context is None else context[0])
    again = flow.sample(5, seed=0, context=None if context is None else context[0])
    assert one.shape == (5, 2)
    np.testing.assert_array_equal(one, again)


@pytest.mark.parametrize("name", FLOWS)
def test_the_density_integrates_to_one(name):
    flow = adapted(name)
    context = contexts_for(flow)
    axis = np.linspace(-14, 18, 401)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2).astype("float32")
    one = None if context is None else np.repeat(context[:1], len(grid), axis=0)
    density = np.exp(flow.log_prob(grid, one, batch_size=65536))
    assert density.sum() * 0.08**2 == pytest.approx(1, abs=5e-3)


@pytest.mark.parametrize("name", ["plain", "mixture", "mixture and classes"])
def test_samples_are_drawn_from_the_density(name):
    """Half of the samples, and half of the mass of the density, lie right of the median."""
    flow = adapted(name)
    label = 2 if flow.classes else None
    samples = flow.sample(4000, seed=1, context=label)
    axis = np.linspace(-14, 18, 501)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2).astype("float32")
    context = None if label is None else np.full(len(grid), label)
    mass = np.exp(flow.log_prob(grid, context, batch_size=65536)) * 0.064**2
    assert mass.sum() == pytest.approx(1, abs=0.02)
    for i in range(2):
        median = np.median(samples[:, i])
        assert mass[grid[:, i] > median].sum() == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("name", ["plain", "mixture", "mixture and context"])
def test_fit_learns(name):
    flow = FLOWS[name]()
    x, context = data(flow, 256), contexts_for(flow, 256)
    flow = trained(flow, x if context is None else [x, context], epochs=16, rate=0.02)
    fitted = flow.log_prob(x, context).mean()
    gaussian = -0.5 * np.log(np.linalg.det(np.cov(x.T))) - np.log(2 * np.pi) - 1
    assert fitted > gaussian + (0.3 if context is not None else 0.0)


def test_the_density_is_in_the_units_of_the_table():
    units = np.array([1e-3, 5e3], "float32")
    plain, scaled = MAF(2, seed=0, **SMALL), MAF(2, seed=0, **SMALL)
    scaled.set_weights(plain.get_weights())
    x = vectors(256, 2)
    plain.adapt(x)
    scaled.adapt(x * units)
    log_prob = plain.log_prob(x) - np.log(units).sum()
    np.testing.assert_allclose(scaled.log_prob(x * units), log_prob, atol=1e-3)
    samples = scaled.sample(500, seed=0)
    expected = units * plain.sample(500, seed=0).std(axis=0)
    np.testing.assert_allclose(samples.std(axis=0), expected, rtol=0.01)


def test_standardize_takes_its_moments_once_from_all_rows_and_does_not_train_them():
    layer = layers.Standardize()
    x = vectors(100, 3) * np.float32([1, 0, 5])
    assert layer.needs_adapt
    layer.adapt(ops.convert_to_tensor(x))
    layer.adapt(ops.convert_to_tensor(x + 7))
    z = array(layer(x))
    np.testing.assert_allclose(z[:, [0, 2]].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(z[:, [0, 2]].std(axis=0), 1, atol=1e-5)
    assert np.all(z[:, 1] == 0) and not layer.trainable_weights


def test_rows_unlike_the_training_set_keep_finite_likelihoods_and_gradients():
    flow = adapted("plain")
    far = np.array([[1e6, -1e6], [1e6, 1e6], [0, 1e6]], "float32")
    assert np.all(np.isfinite(flow.log_prob(far)))
    assert np.all(np.isfinite(flow.reconstruct(far)))


def test_start_is_the_identity_or_random():
    x = vectors(20, 3)
    options = {"norm": None, "standardize": False, "hidden": (16,)}
    np.testing.assert_array_equal(MAF(3, **options).encode(x), x)
    assert np.abs(MAF(3, start="random", **options).encode(x) - x).max() > 0.1


def test_pictures_are_dequantized_and_become_logits():
    flow = MAF((2, 2, 1), steps=1, hidden=(8,), norm="actnorm", alpha=1e-3, seed=0)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 2, 2, 1)).astype("uint8")
    perturb(flow, 0.05)
    flow.adapt(pixels)
    assert flow.dims == 4 and flow.levels == 256
    assert 7 < flow.bits_per_dim(pixels).mean() < 9.5
    np.testing.assert_array_equal(flow.reconstruct(pixels), pixels)
    assert flow.sample(3).dtype == "uint8"


@pytest.mark.parametrize("name", ["mixture", "mixture and classes", "context"])
def test_a_saved_flow_scores_and_samples_as_before(name, tmp_path):
    flow = adapted(name)
    x, context = data(flow), contexts_for(flow)
    flow.save(tmp_path / "maf.keras")
    again = keras.models.load_model(tmp_path / "maf.keras")
    np.testing.assert_allclose(again.log_prob(x, context), flow.log_prob(x, context), atol=1e-5)
    one, other = (f.sample(64, seed=3, context=context) for f in (flow, again))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_at_temperature_0_a_mixture_gives_means_of_its_components():
    prior = AutoregressiveMixture(2, hidden=(4,))
    prior.build((None, 1))
    bias = prior.net.dense[-1].bias
    bias.assign(np.array([0, 0, -2, 3, -1, -1], "float32"))  # weights, means, log deviations
    z = array(prior.sample(300, temperature=0.0, seed=0))
    assert set(np.round(z.ravel(), 4).tolist()) == {-2.0, 3.0}
    z = array(prior.sample(4000, seed=0)).ravel()
    assert np.mean(z > 0.5) == pytest.approx(0.5, abs=0.03)
    spread = np.exp(-1 / 1.2)
    assert z[z > 0.5].std() == pytest.approx(spread, rel=0.05)
    density = np.exp(-0.5 * ((1.0 - np.array([-2, 3])) / spread) ** 2) / spread
    expected = np.log(density.mean() / np.sqrt(2 * np.pi))
    log_prob = array(prior.log_prob(ops.convert_to_tensor([[1.0]], "float32")))
    np.testing.assert_allclose(log_prob, expected, rtol=1e-4)


def test_a_conditional_prior_needs_arrays():
    flow = adapted("mixture and context")
    batches = Shuffled(data(flow), 16, context=contexts_for(flow))
    with pytest.raises(ValueError, match="as arrays, .*Received"):
        flow.log_prob(batches)


def test_contexts_that_do_not_fit_are_refused():
    flow, labelled = adapted("mixture and context"), adapted("mixture and classes")
    x, context = data(flow), contexts_for(flow)
    for call in (flow.sample, flow.sample_with_log_prob):
        with pytest.raises(ValueError, match="one for all samples.*Received"):
            call(1, context=context[:4])
    with pytest.raises(ValueError, match="integer of 1 or more. Received"):
        flow.sample_with_log_prob(0, context=context[0])
    with pytest.raises(ValueError, match="for each sample. Received"):
        flow.sample_with_log_prob(context=context[0])
    with pytest.raises(ValueError, match="classes from 0 to 2. Received"):
        labelled.sample_with_log_prob(2, context=np.array([0, 9]))
    with pytest.raises(ValueError, match="conditional. Received: 0 contexts"):
        labelled.prior.log_prob(ops.convert_to_tensor(x))
    with pytest.raises(ValueError, match="built with a context. Received"):
        flow.prior.net(x)
    plain = keras.Input((2,))
    with pytest.raises(ValueError, match="encoder with a context. Received"):
        Flow(keras.Model(plain, layers.Actnorm()(plain)), AutoregressiveMixture(2, classes=3))


def test_labels_may_be_a_column():
    flow = adapted("mixture and classes")
    x, labels = data(flow), contexts_for(flow)
    np.testing.assert_allclose(flow.log_prob(x, labels[:, None]), flow.log_prob(x, labels), 1e-5)


def test_rows_that_are_not_finite_do_not_adapt():
    flow, x = MAF(2, **SMALL), vectors(20, 2)
    x[3, 1] = np.nan
    with pytest.raises(ValueError, match="Received: nan in 'x', column 1, row 3"):
        flow.adapt(x)
    assert flow.needs_adapt


@pytest.mark.parametrize(
    "options",
    [
        {"dims": 0},
        {"dims": (2, 2)},
        {"dims": 2, "steps": 0},
        {"dims": 2, "context_dims": 2, "classes": 3},
        {"dims": 2, "classes": 0},
        {"dims": 2, "norm": "layer"},
        {"dims": 2, "order": "sideways"},
        {"dims": 2, "start": "warm"},
        {"dims": 2, "mixture": 0},
        {"dims": 2, "hidden": ()},
    ],
    ids=str,
)
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(ValueError, match="Received"):
        MAF(**options)
