"""Saved flows: the same numbers after loading, also on another backend, and further training."""

import importlib.util
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from keras_flows import Flow, invert, layers
from tests.flows import picture_flow, pictures, pixel_flow, trained, vector_flow, vectors
from tests.multiscale import VARIANTS, smooth_pictures
from tests.numeric import perturb

ROOT = Path(__file__).parents[1]
OTHER_BACKENDS = {"tensorflow", "jax", "torch"} - {keras.backend.backend()}

CHILD = """
import keras, numpy as np, keras_flows
flow = keras.saving.load_model("flow.keras")
x = np.load("x.npy")
before = flow.log_prob(x)
np.savez("out.npz", log_prob=before, back=flow.reconstruct(x))
steps = int(flow.optimizer.iterations.numpy() if hasattr(flow.optimizer.iterations, "numpy")
            else flow.optimizer.iterations)
history = flow.fit(x, batch_size=16, epochs=3, verbose=0).history["loss"]
assert not flow.needs_adapt and steps == 4, steps
assert history[-1] < -before.mean(), (history, before.mean())
# Glow call by call: tracing it takes longer than all the rest.
glow, numpy = keras.saving.load_model("glow.keras"), keras.ops.convert_to_numpy
z = glow.encoder(np.load("pixels.npy"))
np.savez("glow.npz", z=numpy(z), back=numpy(glow.decoder(z)))
"""


def files(flow, x, folder):
    flow.save(folder / "flow.keras")
    np.save(folder / "x.npy", x)
    return keras.saving.load_model(folder / "flow.keras")


@pytest.mark.parametrize("make,data", [(vector_flow, vectors), (picture_flow, pictures)])
def test_a_loaded_flow_gives_the_same_numbers(make, data, tmp_path):
    x = data(32)
    flow = perturb(make())
    flow.adapt(x)
    again = files(flow, x, tmp_path)
    assert [p.name for p in tmp_path.iterdir()].count("flow.keras") == 1
    np.testing.assert_allclose(again.log_prob(x), flow.log_prob(x), rtol=1e-5)
    np.testing.assert_allclose(again.sample(3, seed=1), flow.sample(3, seed=1), atol=1e-5)
    assert len(again.weights) == len(flow.weights) and again.name == flow.name


def test_the_weights_are_saved_once_after_the_decoder_was_used(tmp_path):
    flow, x = perturb(vector_flow()), vectors(32)
    flow.save(tmp_path / "before.keras")
    assert flow.decoder is flow.decoder
    again = files(flow, x, tmp_path)
    with zipfile.ZipFile(tmp_path / "flow.keras") as file:
        groups = set(h5py.File(io.BytesIO(file.read("model.weights.h5"))))
    assert "encoder" in groups and "decoder" not in groups
    sizes = [(tmp_path / name).stat().st_size for name in ("before.keras", "flow.keras")]
    assert sizes[0] == sizes[1] and again.count_params() == flow.count_params()
    np.testing.assert_allclose(again.reconstruct(x), x, atol=1e-4)


def test_training_continues_after_loading(tmp_path):
    x = vectors(64)
    flow = trained(vector_flow(), x, epochs=2)
    again = files(flow, x, tmp_path)
    assert not again.needs_adapt
    options = {"batch_size": 16, "epochs": 2, "verbose": 0, "shuffle": False}
    losses = [f.fit(x, **options).history["loss"] for f in (flow, again)]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_adapt_is_not_repeated_after_loading(tmp_path):
    flow, x = vector_flow(), vectors(32)
    flow.adapt(x)
    again = files(flow, x, tmp_path)
    again.adapt(50 * x)
    np.testing.assert_allclose(again.log_prob(x), flow.log_prob(x), rtol=1e-5)


def test_a_flow_of_integers_is_discrete_after_loading(tmp_path):
    x = np.random.default_rng(0).integers(0, 4, size=(32, 2)).astype("uint8")
    flow = perturb(pixel_flow())
    again = files(flow, x, tmp_path)
    np.testing.assert_allclose(again.encode(x), flow.encode(x), atol=1e-5)
    assert again.bits_per_dim(x).shape == (32,)
    np.testing.assert_array_equal(again.reconstruct(x), x)


@pytest.mark.parametrize("backend", sorted(OTHER_BACKENDS))
def test_another_backend_loads_and_trains_the_flow(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    x = pictures(64)
    flow = trained(picture_flow(), x, epochs=1)
    files(flow, x, tmp_path)
    glow, pixels = perturb(VARIANTS["paper"](levels=1), 0.05), smooth_pictures(4)
    glow.save(tmp_path / "glow.keras")
    np.save(tmp_path / "pixels.npy", pixels)
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    child = subprocess.run(
        [sys.executable, "-c", CHILD], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert child.returncode == 0, child.stderr
    out = np.load(tmp_path / "out.npz")
    np.testing.assert_allclose(out["log_prob"], flow.log_prob(x), rtol=1e-4)
    np.testing.assert_allclose(out["back"], x, atol=1e-4)
    out, z = np.load(tmp_path / "glow.npz"), keras.ops.convert_to_numpy(glow.encoder(pixels))
    np.testing.assert_allclose(out["z"], z, atol=1e-4)
    np.testing.assert_array_equal(out["back"], pixels)


def test_saved_weights_restore_a_random_order(tmp_path):
    x = vectors(8, 40)
    flow, other = perturb(vector_flow(40)), vector_flow(40)
    assert np.abs(flow.encode(x) - other.encode(x)).max() > 0.1
    flow.save_weights(tmp_path / "flow.weights.h5")
    other.load_weights(tmp_path / "flow.weights.h5")
    np.testing.assert_allclose(other.encode(x), flow.encode(x), atol=1e-5)
    np.testing.assert_allclose(other.decode(flow.encode(x)), x, atol=1e-3)


def test_a_saved_decoder_decodes(tmp_path):
    flow, x = perturb(picture_flow()), pictures(4)
    invert(flow.encoder).save(tmp_path / "decoder.keras")
    decoder = keras.saving.load_model(tmp_path / "decoder.keras")
    np.testing.assert_allclose(decoder.predict(flow.encode(x), verbose=0), x, atol=1e-3)


def test_a_shared_network_is_shared_after_loading(tmp_path):
    shared, x = keras.Sequential([keras.layers.Dense(2)]), keras.Input((4,))
    z = layers.Coupling(shared, flip=True)(layers.Coupling(shared)(x))
    flow, data = perturb(Flow(keras.Model(x, z))), vectors(8)
    again = files(flow, data, tmp_path)
    assert len(again.trainable_variables) == 2
    np.testing.assert_allclose(again.encode(data), flow.encode(data), atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"jit_compile": True}, {"jit_compile": False}])
def test_jit_compile_is_saved_as_it_was_set(options, tmp_path):
    flow = vector_flow()
    flow.compile("adam", **options)
    flow.save(tmp_path / "flow.keras")
    again = keras.saving.load_model(tmp_path / "flow.keras")
    for each in (flow, again):
        assert each.get_compile_config()["jit_compile"] == options.get("jit_compile", "auto")
    vector_flow().save(tmp_path / "never_compiled.keras")
