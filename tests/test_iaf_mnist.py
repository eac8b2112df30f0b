"""The model `VAE` and the recipe `iaf_mnist`."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import datasets
from keras_flows.models.iaf_vae import POSTERIORS, VAE
from keras_flows.models.variational import log_mean_weight
from keras_flows.recipes import iaf_mnist

ROOT = Path(__file__).parents[1]
SMALL = {"hidden": (16, 12), "posterior_hidden": 8, "seed": 0}
RUN = (
    "--limit 300 --holdout 200 --test-limit 60 --batch-size 100 --epochs 2 --latent 3 --width 8 "
    "--hidden 16 12 --depth 1 --importance 4"
).split()


def pixels(count=256, dims=784):
    """MNIST's middle pixels: 0..255."""
    (x, _), _ = datasets.mnist()
    x = x.reshape(-1, 784)[:count]
    return x if dims == 784 else x[:, 400 : 400 + dims]


def vae(posterior, **options):
    """A small model with changed weights, so that its posterior depends on the picture."""
    model = VAE(784, posterior=posterior, **{**SMALL, **options})
    generator = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.2 * generator.normal(size=weight.shape))
    return model


def numpy(x):
    return ops.convert_to_numpy(x)


@pytest.mark.parametrize("posterior", POSTERIORS)
def test_training_raises_the_bound(posterior):
    model, x = VAE(784, latent=4, posterior=posterior, **SMALL), pixels()
    model.compile(keras.optimizers.Adam(1e-2))
    losses = model.fit(x, batch_size=64, epochs=8, verbose=0).history
    assert losses["loss"][-1] < 0.6 * losses["loss"][0]
    parts = np.array(losses["kl"]) - losses["log_likelihood"]
    np.testing.assert_allclose(parts, losses["loss"], rtol=1e-4)
    log_likelihood, kl = model.predict(x, verbose=0)
    again = model.evaluate(x, verbose=0, return_dict=True)["loss"]
    assert again == pytest.approx((kl - log_likelihood).mean(), rel=0.02)


@pytest.mark.parametrize("posterior", POSTERIORS)
@pytest.mark.parametrize("order", ["alternating", "random"])
def test_sampling_and_log_prob_give_the_same_density(posterior, order):
    model = vae(posterior, steps=3, latent=5, order=order)
    context = model.context(model.binarize(pixels(20)))
    z, log_q = model.posterior.sample_with_log_prob(context=context, seed=3)
    back = model.posterior.log_prob(z, context)
    np.testing.assert_allclose(numpy(log_q), numpy(back), rtol=1e-4, atol=1e-4)
    assert numpy(log_q).std() > 0.1


def test_the_diagonal_posterior_is_a_gaussian():
    model = vae("diagonal", latent=3)
    context = model.context(model.binarize(pixels(5)))
    z, log_q = model.posterior.sample_with_log_prob(context=context, seed=3)
    layer = next(v for v in model.posterior.encoder.layers if hasattr(v, "layer")).layer
    log_std, mean = np.split(numpy(layer.net(context)), 2, axis=-1)
    u = (numpy(z) - mean) / np.exp(log_std)
    expected = -(0.5 * u**2 + log_std + 0.5 * np.log(2 * np.pi)).sum(axis=-1)
    np.testing.assert_allclose(numpy(log_q), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("posterior, latent", [("diagonal", 2), ("iaf", 1), ("iaf", 2)])
def test_log_prob_is_the_integral_over_the_latent(posterior, latent):
    # Trained, since importance sampling from a posterior far off takes more draws than are here.
    model = VAE(12, steps=1, latent=latent, posterior=posterior, **SMALL)
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(pixels(640, 12), batch_size=64, epochs=8, verbose=0)
    x = np.where(pixels(6, 12) > 127, 255, 0).astype("uint8")
    line = np.linspace(-6, 6, 241)
    z = np.stack(np.meshgrid(*[line] * latent), axis=-1).reshape(-1, latent).astype("float32")
    prior = numpy(model.prior.log_prob(ops.convert_to_tensor(z)))
    expected = []
    for picture in x:
        images = ops.convert_to_tensor(np.repeat(picture[None] / 255, len(z), 0).astype("float32"))
        log_joint = numpy(model.likelihood(images, ops.convert_to_tensor(z))) + prior
        expected.append(np.log(np.exp(log_joint).sum()) + latent * np.log(line[1] - line[0]))
    log_likelihood, kl = model.terms(np.repeat(x, 1000, axis=0), 20, batch_size=6000)
    weights = (log_likelihood - kl).reshape(20, 6, 1000).swapaxes(0, 1).reshape(6, -1)
    bounds = weights.mean(axis=1)
    estimates = log_mean_weight(weights.T, 0.0)
    np.testing.assert_allclose(estimates, expected, atol=0.05)
    gaps = expected - bounds
    assert (gaps > 0).all() and np.abs(estimates - expected).sum() < gaps.sum() / 3


def test_importance_sampling_is_above_the_bound_and_rises():
    model, x = vae("iaf", latent=4), pixels(50)
    x = np.where(x > 127, 255, 0).astype("uint8")
    bound, few, many = (model.log_prob(x, samples=n).mean() for n in (1, 4, 64))
    assert bound < few < many


def test_pixels_are_binarised_anew_in_every_pass():
    model = VAE(4, latent=2, **SMALL)
    x = ops.convert_to_tensor(np.tile(np.array([[0, 64, 191, 255]], "uint8"), (4000, 1)))
    first, second = (numpy(model.binarize(x)) for _ in range(2))
    assert set(np.unique(first)) == {0, 1} and (first != second).any()
    np.testing.assert_allclose(first.mean(axis=0), np.array([0, 64, 191, 255]) / 255, atol=0.03)
    assert (first[:, 0] == 0).all() and (first[:, 3] == 1).all()


def test_free_bits_count_only_in_training():
    model, x = VAE(784, latent=4, posterior="diagonal", free_bits=25.0, **SMALL), pixels(64)
    model.compile("adam")
    first = model.fit(x, batch_size=64, verbose=0).history
    assert first["loss"][0] == pytest.approx(100 - first["log_likelihood"][0], rel=1e-4)
    log_likelihood, kl, loss = (
        model.evaluate(x, batch_size=64, verbose=0, return_dict=True)[name]
        for name in ("log_likelihood", "kl", "loss")
    )
    assert kl < 100 and loss < 100 - log_likelihood


@pytest.mark.parametrize("posterior", POSTERIORS)
def test_a_saved_model_gives_the_same_numbers(posterior, tmp_path):
    model, x = vae(posterior, latent=4, order="random"), pixels(20)
    model.save(tmp_path / "vae.keras")
    loaded = keras.models.load_model(tmp_path / "vae.keras")
    assert loaded.get_config() == model.get_config()
    for one, other in zip(model.terms(x, 2), loaded.terms(x, 2)):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    np.testing.assert_allclose(model.sample(3, seed=1), loaded.sample(3, seed=1), rtol=1e-5)
    assert model.reconstruct(x).shape == (20, 784)


def test_random_orders_are_saved_without_a_seed(tmp_path):
    model = vae("iaf", latent=6, order="random", seed=None)
    model.save(tmp_path / "vae.keras")
    loaded = keras.models.load_model(tmp_path / "vae.keras")
    z, context = (np.random.default_rng(0).normal(size=(9, n)).astype("float32") for n in (6, 12))
    expected = model.posterior.log_prob(z, context)
    np.testing.assert_allclose(loaded.posterior.log_prob(z, context), expected, rtol=1e-5)


def test_sample_weights_count():
    model, x = VAE(784, latent=4, posterior="diagonal", **SMALL), pixels(64)
    model.compile("adam")
    weights = np.repeat([0.0, 2.0], 32).astype("float32")
    half = model.evaluate(x, np.zeros(64), sample_weight=weights, batch_size=64, verbose=0)
    whole = model.evaluate(x[32:], batch_size=64, verbose=0)
    assert half[0] == pytest.approx(whole[0], rel=0.01)


def test_wrong_options_are_refused():
    for wrong in ({"posterior": "full"}, {"latent": 0}, {"hidden": ()}, {"free_bits": -1}):
        with pytest.raises(ValueError, match="Received"):
            VAE(784, **{**SMALL, **wrong})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    iaf_mnist.main([*RUN, "--out", str(out)])
    return out


def test_the_run_leaves_its_files(whole):
    names = {p.name for p in whole.iterdir()}
    expected = {f"{name}_{p}.png" for name in ("grid", "reconstruction") for p in POSTERIORS}
    assert expected | {f"iaf_mnist_{p}.keras" for p in POSTERIORS} | {"metrics.json"} <= names
    metrics = json.loads((whole / "metrics.json").read_text())
    for figures in metrics["posteriors"].values():
        assert figures["log_likelihood"]["nats"] > figures["vlb"]["nats"]
        assert figures["vlb"]["nats"] == pytest.approx(
            figures["reconstruction"] - figures["kl"], 1e-5
        )
        assert len(figures["epochs"]) == 2 and figures["pictures"] == 60
    vlb = {name: figures["vlb"]["nats"] for name, figures in metrics["posteriors"].items()}
    gain = metrics["iaf_above_diagonal"]["vlb"]["nats"]
    assert gain == pytest.approx(vlb["iaf"] - vlb["diagonal"], abs=1e-4)


def test_the_saved_model_has_the_reported_likelihood(whole):
    model = keras.models.load_model(whole / "iaf_mnist_iaf.keras")
    test = iaf_mnist.load(iaf_mnist.main.options(RUN))[2]
    figures, _ = iaf_mnist.measure(model, test, 4)
    reported = json.loads((whole / "metrics.json").read_text())["posteriors"]["iaf"]
    for name in ("vlb", "log_likelihood"):
        assert figures[name]["nats"] == pytest.approx(reported[name]["nats"], rel=1e-5)


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_losses(whole, tmp_path):
    options = [*RUN, "--posterior", "iaf", "--out", str(tmp_path)]
    program = f"""
import os, signal
from keras_flows.recipes import iaf_mnist
class Killer(iaf_mnist.RollbackOnCollapse):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            os.kill(os.getpid(), signal.SIGKILL)
iaf_mnist.RollbackOnCollapse = Killer
iaf_mnist.main({options!r})
"""
    killed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True)
    assert killed.returncode == -9, killed.stderr[-2000:]
    iaf_mnist.main([*options, "--resume"])
    metrics = [json.loads((out / "metrics.json").read_text()) for out in (whole, tmp_path)]
    one, other = ([row["val_loss"] for row in m["posteriors"]["iaf"]["epochs"]] for m in metrics)
    np.testing.assert_allclose(one, other, rtol=1e-5)


def test_dry_run_writes_nothing(tmp_path, capsys):
    iaf_mnist.main([*RUN, "--posterior", "diagonal", "--dry-run", "--out", str(tmp_path / "none")])
    assert not (tmp_path / "none").exists() and "one step done" in capsys.readouterr().out
