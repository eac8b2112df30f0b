"""f-VAEs: the bound's identities, both priors, samples, saving."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows.models import FVAE, NICE, Glow, TarFlow
from keras_flows.networks.autoencoder import latent_shape, picture_encoder
from tests.numeric import array, perturb

SHAPE, LATENT = (8, 8, 3), (2, 2, 48)
SMALL = {"levels": 2, "blocks": 1, "steps": 2, "hidden": 8, "seed": 0}
PRIORS = {
    "default": lambda: None,
    "paper": lambda: Glow(
        LATENT, levels=2, steps=2, hidden=8, variant="paper", noise=None, squeeze_first=False
    ),
    "tarflow": lambda: TarFlow(LATENT, steps=2, patch=1, hidden=8, blocks=1, noise=None),
}


def pictures(n=32, shape=SHAPE):
    """Smooth pictures: a bright half and a dark half."""
    rng = np.random.default_rng(0)
    x = rng.integers(40, 90, (n, *shape))
    x[: n // 2, :, : shape[1] // 2] += 120
    x[n // 2 :, : shape[0] // 2] += 120
    return x.astype("uint8")


def model(**options):
    return FVAE(SHAPE, **{**SMALL, **options})


@pytest.mark.parametrize(
    "prior",
    ["default", *(pytest.param(name, marks=pytest.mark.slow) for name in ("paper", "tarflow"))],
)
def test_training_raises_the_bound(prior):
    vae, x = model(flow=PRIORS[prior]()), pictures()
    vae.compile(keras.optimizers.Adam(4e-3 if prior == "paper" else 1e-2))
    logs = vae.fit(x, batch_size=16, epochs=10, verbose=0).history
    assert logs["loss"][-1] < logs["loss"][0] - 10
    np.testing.assert_allclose(
        np.array(logs["loss"]) / (vae.dims * np.log(2)), logs["bits_per_dim"], rtol=1e-4
    )
    assert vae.evaluate(x, verbose=0, return_dict=True)["bits_per_dim"] < 9.3
    assert vae.sample(3, 0.8, seed=0).shape == (3, *SHAPE)


def test_the_flow_starts_from_latents_with_their_noise():
    vae = model(flow=PRIORS["paper"]())
    vae.adapt(pictures())
    assert not vae.flow.needs_adapt
    _, kl = vae.terms(pictures(), 1)
    assert np.abs(kl).mean() < 10 * vae.dims


def test_at_the_start_the_networks_rearrange_pixels():
    vae, x = model(), pictures(4)
    np.testing.assert_array_equal(vae.reconstruct(x), x)
    assert picture_encoder(SHAPE, 2, 1).output_shape[1:] == latent_shape(SHAPE, 2) == LATENT


def test_with_a_standard_normal_prior_the_bound_is_that_of_a_vae():
    """NICE without couplings and with a scale of 1 is N(0, I): the KL has a closed form."""
    x_in = keras.Input(LATENT)
    from keras_flows import Flow, layers

    identity = Flow(keras.Model(x_in, layers.Reshape((192,))(x_in)))
    vae, x = perturb(model(flow=identity, posterior_std=0.5, pixel_std=0.3), 0.05), pictures(4)
    log_likelihood, kl = vae.terms(np.repeat(x, 2000, axis=0), 1)
    kl = kl.reshape(4, 2000)
    mean = array(vae.context(ops.convert_to_tensor((x + np.float32(0.5)) / 128 - 1)))
    expected = (0.5 * (mean**2 + 0.25 - 1) - np.log(0.5)).reshape(4, -1).sum(axis=1)
    error = kl.std(axis=1) / np.sqrt(2000)
    assert (np.abs(kl.mean(axis=1) - expected) < 5 * error + 0.01 * np.abs(expected)).all()
    assert np.isfinite(log_likelihood).all()


def test_with_small_noise_and_no_networks_the_bound_is_the_flow_s_density():
    vae = perturb(model(posterior_std=1e-3, pixel_std=0.02), 0.0)
    perturb(vae.flow, 0.05)
    x = vae.prepare(ops.convert_to_tensor(pictures(4)))
    z = vae.context(x)
    draws = [[array(term) for term in vae.draw_terms(x, z)] for _ in range(64)]
    log_likelihood, kl = np.mean(draws, axis=0)
    # The decoder returns x but for the posterior's noise.
    expected = -vae.dims * (np.log(0.02) + 0.5 * np.log(2 * np.pi) + np.log(128))
    np.testing.assert_allclose(log_likelihood, expected, rtol=1e-3)
    entropy = vae.dims * (np.log(1e-3) + 0.5 * np.log(2 * np.pi) + 0.5)
    np.testing.assert_allclose(kl + entropy, -array(vae.flow.log_prob(z)), atol=6)


def test_the_importance_weighted_bound_rises():
    vae, x = perturb(model(), 0.02), pictures(16)
    few, some, many = (vae.log_prob(x, samples=n).mean() for n in (1, 8, 64))
    assert few < some < many
    assert vae.bits_per_dim(x, samples=64).mean() < vae.bits_per_dim(x).mean()


def test_latents_of_the_flow_come_back():
    vae = perturb(model(), 0.03)
    w = np.random.default_rng(0).normal(size=(5, vae.dims)).astype("float32")
    np.testing.assert_allclose(vae.flow.encode(vae.flow.decode(w)), w, atol=1e-4)
    x = vae.sample(4, seed=1)
    assert x.dtype == "uint8" and (vae.sample(4, seed=1) == x).all()
    line, between = vae.interpolate(x[:2], x[2:], 3), vae.interpolate_corners(x, 3, 2)
    assert line.shape == (2, 3, *SHAPE) and between.shape == (3, 2, *SHAPE)
    back = vae.decode(vae.encode(x)).astype(int)
    assert np.abs(back - vae.reconstruct(x)).max() <= 1
    assert np.abs(line[:, 0].astype(int) - back[:2]).max() <= 1
    assert np.abs(between[[0, 0, 2, 2], [0, 1, 0, 1]].astype(int) - back).max() <= 1


@pytest.mark.parametrize("options", [{}, {"flow": PRIORS["tarflow"](), "norm": "batch"}])
def test_a_saved_model_gives_the_same_numbers(options, tmp_path):
    vae, x = perturb(model(**options), 0.02), pictures(4)
    vae.save(tmp_path / "vae.keras")
    loaded = keras.models.load_model(tmp_path / "vae.keras")
    assert loaded.get_config()["levels_per_channel"] == 256
    np.testing.assert_array_equal(vae.sample(3, seed=1), loaded.sample(3, seed=1))
    np.testing.assert_allclose(loaded.encode(x), vae.encode(x), rtol=1e-5, atol=1e-5)
    assert float(array(loaded.pixel_std)) == pytest.approx(float(array(vae.pixel_std)))


def test_group_normalization_gives_the_same_bound_in_training():
    vae, x = perturb(model(), 0.02), pictures(8)
    z = ops.convert_to_tensor(vae.prepare(ops.convert_to_tensor(x)))
    once, again = (array(vae.encoder(z, training=t)) for t in (True, False))
    np.testing.assert_allclose(once, again, atol=1e-5)


def test_the_standard_deviation_of_pixels_has_a_floor():
    vae = model(pixel_std=1e-9)
    assert float(array(ops.convert_to_tensor(vae.pixel_std))) == pytest.approx(1 / 256)


@pytest.mark.parametrize(
    "wrong",
    [
        {"levels": 4},
        {"blocks": 0},
        {"norm": "layer"},
        {"pixel_std": 0.0},
        {"posterior_std": -1.0},
        {"flow": NICE(4, steps=1, hidden=4)},
        {"flow": Glow((8, 8, 3), levels=1, steps=1, hidden=4)},
    ],
)
def test_options_that_cannot_work_are_refused(wrong):
    with pytest.raises(ValueError, match="Received"):
        model(**wrong)


def test_corners_are_four_pictures():
    with pytest.raises(ValueError, match="takes 4 pictures.*Received"):
        model().interpolate_corners(pictures(3))
