"""Exported decoders and densities give the numbers of Keras, run by onnxruntime and TensorFlow."""

import importlib.util

import keras
import numpy as np
import pytest

from keras_flows import Flow, layers
from keras_flows.flow import exporting
from keras_flows.models import MAF, NICE, ResidualFlow
from tests.flows import vectors
from tests.multiscale import eager
from tests.numeric import perturb

BACKEND = keras.backend.backend()
MISSING = [
    name
    for name in ("onnxruntime", *exporting.PACKAGES[("onnx", BACKEND)])
    if importlib.util.find_spec(name) is None
]
needs_onnx = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")


def context_flow():
    x, c = keras.Input((2,), name="x"), keras.Input((1,), name="c")
    return eager(perturb(Flow(keras.Model([x, c], layers.CondActnorm()([x, c])))))


def run_onnx(path, *inputs):
    """The outputs of an ONNX file for arrays in the order of its inputs."""
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_inputs()]
    assert len(names) == len(inputs)
    return session.run(None, dict(zip(names, inputs)))[0]


@needs_onnx
@pytest.mark.parametrize("rows", [None, 5])
def test_onnx_gives_the_numbers_of_keras(rows, tmp_path):
    flow, x = eager(perturb(NICE(6, steps=2, hidden=(8,), seed=0))), vectors(5, 6)
    flow.export_log_prob(tmp_path / "density.onnx", rows=rows)
    flow.export_decoder(tmp_path / "decoder.onnx", rows=rows)
    z = flow.encode(x)
    np.testing.assert_allclose(
        run_onnx(tmp_path / "density.onnx", x), flow.log_prob(x), rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(run_onnx(tmp_path / "decoder.onnx", z), x, atol=1e-4)
    if rows is None:
        assert run_onnx(tmp_path / "decoder.onnx", z[:3]).shape == (3, 6)


@needs_onnx
def test_onnx_of_a_flow_with_a_context(tmp_path):
    flow, x, c = context_flow(), vectors(8, 2), vectors(8, 1)
    flow.export_log_prob(tmp_path / "density.onnx")
    flow.export_decoder(tmp_path / "decoder.onnx")
    expected = flow.log_prob(x, c)
    np.testing.assert_allclose(run_onnx(tmp_path / "density.onnx", x, c), expected, rtol=1e-4)
    z = flow.encode(x, c)
    np.testing.assert_allclose(run_onnx(tmp_path / "decoder.onnx", z, c), x, atol=1e-5)


@needs_onnx
def test_onnx_of_an_autoregressive_density(tmp_path):
    flow, x = eager(perturb(MAF(3, steps=2, hidden=(8,), seed=0))), vectors(8, 3)
    flow.export_log_prob(tmp_path / "density.onnx")
    expected = flow.log_prob(x)
    np.testing.assert_allclose(run_onnx(tmp_path / "density.onnx", x), expected, rtol=1e-4)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras writes a SavedModel from torch with XLA only")
def test_a_saved_model_gives_the_numbers_of_keras(tmp_path):
    tf = pytest.importorskip("tensorflow")
    flow, x = eager(perturb(NICE(6, steps=2, hidden=(8,), seed=0))), vectors(5, 6)
    flow.export_log_prob(tmp_path / "density", "tf_saved_model")
    flow.export_decoder(tmp_path / "decoder", "tf_saved_model")
    density, decoder = (tf.saved_model.load(str(tmp_path / n)) for n in ("density", "decoder"))
    np.testing.assert_allclose(density.serve(x).numpy(), flow.log_prob(x), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(decoder.serve(flow.encode(x)).numpy(), x, atol=1e-4)


@needs_onnx
@pytest.mark.skipif(BACKEND == "jax", reason="by its own converter")
def test_a_density_with_noise_is_refused_and_no_file_is_left(tmp_path):
    x = keras.Input((4,), dtype="uint8")
    flow = eager(Flow(keras.Model(x, layers.Logit()(layers.Dequantize(256)(x)))))
    with pytest.raises(ValueError, match="density draws noise.*Received"):
        flow.export_log_prob(tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()
    flow.export_decoder(tmp_path / "decoder.onnx")
    z = np.array([[-2.0, 0.1, 1.0, 3.0]], "float32")
    np.testing.assert_array_equal(run_onnx(tmp_path / "decoder.onnx", z), flow.decode(z))


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(exporting.PACKAGES, ("onnx", BACKEND), ("no_such_package",))
    with pytest.raises(ImportError, match="pip install no_such_package. Received: decoder"):
        context_flow().export_decoder(tmp_path / "x.onnx")


def test_what_a_converter_does_not_know_is_said(tmp_path, monkeypatch):
    def fails(*args, **options):
        raise RuntimeError("Unsupported operator: while\nmore")

    monkeypatch.setattr(keras.Model, "export", fails)
    monkeypatch.setattr(exporting, "_check_packages", lambda *args: None)
    with pytest.raises(ValueError, match="one of its operations.*Received: Unsupported.*while$"):
        context_flow().export_log_prob(tmp_path / "x.onnx")


def test_loops_are_refused_by_onnx(tmp_path):
    flow = ResidualFlow((4, 4, 1), levels=1, steps=1, hidden=4)
    for export in (flow.export_decoder, flow.export_log_prob):
        with pytest.raises(ValueError, match="without iterations; use a SavedModel.*Received"):
            export(tmp_path / "x.onnx")
