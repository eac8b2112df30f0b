"""The three priors: normalised, sampled from their density, trained where they have weights."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import Flow, layers, priors
from tests.flows import trained, vectors
from tests.numeric import array, perturb

PRIORS = {
    "normal": (priors.StandardNormal, 1.0),
    "logistic": (priors.StandardLogistic, np.pi / np.sqrt(3)),
    "diagonal": (priors.DiagonalNormal, 1.0),
}
every_prior = pytest.mark.parametrize("name", PRIORS)


def log_prob(prior, z):
    return array(prior.log_prob(ops.convert_to_tensor(z)))


def make(name, *shape):
    prior = PRIORS[name][0]()
    prior.build((None, *shape))
    return perturb(prior) if prior.trainable_variables else prior


@every_prior
def test_integrates_to_one(name):
    z = np.linspace(-40, 40, 16001)[:, None].astype("float32")
    density = np.exp(log_prob(make(name, 1), z))
    assert density.sum() * 0.005 == pytest.approx(1, abs=1e-4)


@every_prior
def test_log_prob_sums_over_the_axes_of_a_sample(name):
    z = np.random.default_rng(0).normal(size=(5, 2, 3)).astype("float32")
    prior, alone = make(name, 2, 3), make(name, 1)
    for weight, value in zip(prior.weights, alone.weights):
        weight.assign(np.full(weight.shape, array(value)[0]))
    parts = log_prob(alone, z.reshape(-1, 1)).reshape(5, 6)
    np.testing.assert_allclose(log_prob(prior, z), parts.sum(-1), rtol=1e-5)


@every_prior
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_samples_have_the_moments_of_the_prior(name, temperature):
    prior, (_, std) = make(name, 2), PRIORS[name]
    mean, std = np.zeros(2), np.full(2, std)
    if prior.weights:
        mean, std = array(prior.mean), np.exp(array(prior.log_std))
    z = array(prior.sample(40000, temperature, seed=1))
    np.testing.assert_allclose(z.mean(0), mean, atol=0.04)
    np.testing.assert_allclose(z.std(0), temperature * std, rtol=0.02)


@every_prior
def test_samples_at_temperature_zero_are_the_mode(name):
    prior = make(name, 2)
    z = array(prior.sample(3, 0.0))
    assert np.ptp(z, axis=0).max() == 0
    nearby = z + np.random.default_rng(0).normal(size=(3, 2)).astype("float32")
    assert np.all(log_prob(prior, z) > log_prob(prior, nearby))


@every_prior
def test_a_seed_fixes_the_samples(name):
    prior = make(name, 3)
    one, two, other = (array(prior.sample(4, seed=s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - other).max() > 0.1
    assert np.abs(array(prior.sample(4)) - array(prior.sample(4))).max() > 0.1


@every_prior
def test_extreme_latents_stay_finite(name):
    z = np.array([[1e4], [-1e4]], "float32")
    assert np.all(np.isfinite(log_prob(make(name, 1), z)))
    assert np.all(np.isfinite(array(make(name, 1).sample(10000, seed=0))))


def test_the_learned_prior_fits_the_data():
    x = keras.Input((4,))
    flow, data = Flow(keras.Model(x, layers.Shuffle()(x)), priors.DiagonalNormal()), vectors(320)
    trained(flow, data, epochs=12, rate=0.05)
    np.testing.assert_allclose(array(flow.prior.mean), data.mean(0)[::-1], atol=0.3)
    np.testing.assert_allclose(np.exp(array(flow.prior.log_std)), data.std(0)[::-1], rtol=0.3)


@pytest.mark.parametrize("shape", [(None, None), ()])
def test_latents_of_unknown_shape_are_refused(shape):
    with pytest.raises(ValueError, match="Received"):
        priors.StandardNormal().build(shape)
