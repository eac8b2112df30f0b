"""Files that version 0.1.0 saved before its modules moved: `tests/files`, made on TensorFlow."""

import pathlib

import keras
import numpy as np
import pytest

from keras_flows.models import VAE

FOLDER = pathlib.Path(__file__).parent / "files"
FLOWS = sorted(path.stem for path in FOLDER.glob("*.keras") if path.stem != "vae")


@pytest.fixture(scope="module")
def numbers():
    """What each flow gave: `x`, `z` = encode(x), `mode` = sample(n, temperature=0)."""
    with np.load(FOLDER / "numbers.npz") as file:
        return dict(file)


def test_there_is_a_file_of_each_kind():
    assert len(FLOWS) == 13


@pytest.mark.parametrize("name", FLOWS)
def test_a_file_of_before_gives_the_numbers_of_before(name, numbers):
    flow = keras.saving.load_model(FOLDER / f"{name}.keras")
    for model in (flow, flow.encoder, flow.decoder):
        model.run_eagerly = True  # of a few samples, faster than compiling
    x, context = numbers[f"{name}.x"], numbers.get(f"{name}.context")
    np.testing.assert_allclose(flow.encode(x, context), numbers[f"{name}.z"], atol=2e-4)
    if f"{name}.mode" in numbers:  # a mixture draws its components at any temperature
        options = {"denoise": False} if name == "tarflow" else {}
        mode = flow.sample(4, temperature=0, context=context, **options)
        np.testing.assert_allclose(1.0 * mode, 1.0 * numbers[f"{name}.mode"], atol=1e-3)
    if not flow.discrete:
        log_prob = flow.log_prob(x, context)
        np.testing.assert_allclose(log_prob, numbers[f"{name}.log_prob"], atol=1e-3, rtol=1e-4)


def test_a_vae_of_before_gives_the_numbers_of_before(numbers):
    vae = keras.saving.load_model(FOLDER / "vae.keras")
    assert isinstance(vae, VAE)
    np.testing.assert_allclose(vae.sample(4, temperature=0), numbers["vae.mode"], atol=1e-5)
    assert np.all(np.isfinite(vae.log_prob(numbers["vae.x"], samples=2)))
