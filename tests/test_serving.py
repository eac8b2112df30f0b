"""Serving: exported densities and decoders, file formats, weights that are not finite."""

import keras
import numpy as np
import pytest

from keras_flows import Flow, layers
from keras_flows.flow.flow import FORMAT
from keras_flows.models.guided_flow import GuidedFlow
from tests.flows import vector_flow, vectors
from tests.multiscale import eager
from tests.numeric import perturb


def context_flow():
    x, c = keras.Input((2,), name="x"), keras.Input((1,), name="c")
    return perturb(Flow(keras.Model([x, c], layers.CondActnorm()([x, c]))))


def loaded(path):
    """An exported model as a function, on TensorFlow or torch; for torch Keras exports one row."""
    if keras.backend.backend() == "torch":
        import torch

        model = torch.export.load(path).module()
        row = lambda *args: model([torch.as_tensor(v) for v in args]).detach().numpy()  # noqa: E731
        return lambda *args: np.concatenate([row(*(v[i : i + 1] for v in args)) for i in range(8)])
    model = pytest.importorskip("tensorflow").saved_model.load(path)
    return lambda *args: model.serve(list(args) if len(args) > 1 else args[0]).numpy()


def test_exported_densities_and_decoders_give_the_same_numbers(tmp_path):
    torch = keras.backend.backend() == "torch"
    options = {"format": "torch" if torch else "tf_saved_model", "verbose": False}
    flow, x, c = eager(context_flow()), vectors(8, 2), vectors(8, 1)
    name = str(tmp_path / ("model.pt2" if torch else "model"))
    flow.density_model().export(name, **options)
    np.testing.assert_allclose(loaded(name)(x, c), flow.log_prob(x, c), rtol=1e-4)
    flow.decoder.export(name + "2.pt2", **options)
    z = flow.encode(x, c)
    np.testing.assert_allclose(loaded(name + "2.pt2")(z, c), x, atol=1e-5)
    flow.export(name + "3.pt2", **options)


def test_a_density_model_is_saved_with_its_flow(tmp_path):
    flow, x, c = eager(context_flow()), vectors(8, 2), vectors(8, 1)
    flow.density_model().save(tmp_path / "density.keras")
    again = keras.saving.load_model(tmp_path / "density.keras")
    again.run_eagerly = keras.backend.backend() == "tensorflow"
    np.testing.assert_allclose(again.predict([x, c], verbose=0), flow.log_prob(x, c), rtol=1e-4)


@pytest.mark.parametrize("kind", [Flow, GuidedFlow])
def test_files_of_a_newer_format_are_refused(kind):
    x = keras.Input((2,))
    config = kind(keras.Model(x, layers.Rescale(2.0)(x))).get_config()
    assert config["format"] == FORMAT
    with pytest.raises(ValueError, match=f"newer.*Received: a file of format {FORMAT + 1}"):
        kind.from_config({**config, "format": FORMAT + 1})
    old = {name: value for name, value in config.items() if name != "format"}
    assert kind.from_config(old).dims == 2


def test_warnings_name_the_weights_that_are_not_finite():
    flow, x = eager(vector_flow()), vectors(8)
    flow.encoder.layers[-1].kernel.assign(np.full((1, 4), np.nan))
    for call in (lambda: flow.sample(3), lambda: flow.log_prob(x)):
        with pytest.warns(RuntimeWarning, match="of [38] results are not finite.*scale.*kernel"):
            call()


def test_integer_samples_of_weights_that_are_not_finite_warn():
    x = keras.Input((2,), dtype="uint8")
    scale = layers.Scale("zeros")
    flow = eager(Flow(keras.Model(x, scale(layers.Logit()(layers.Dequantize(256)(x))))))
    scale.kernel.assign(np.full((1, 2), np.nan))
    with pytest.warns(RuntimeWarning, match="Weights that are not finite.*kernel"):
        assert flow.sample(3).dtype == "uint8"


def test_the_summary_has_the_line_length_and_shows_contexts():
    lines = []
    context_flow().summary(line_length=60, print_fn=lambda text: lines.extend(text.split("\n")))
    assert max(map(len, lines)) <= 60
    assert any(line.split()[:3] == ["c", "context", "(1,)"] for line in lines)
    assert any(line.split()[:3] == ["x", "data", "(2,)"] for line in lines)


@pytest.mark.parametrize(
    "options",
    [{"n": 3.0}, {"n": True}, {"n": 2, "temperature": np.nan}, {"n": 2, "temperature": np.inf}],
    ids=str,
)
def test_wrong_numbers_of_samples_and_temperatures_are_refused(options):
    with pytest.raises(ValueError, match="Received"):
        vector_flow().sample(**options)
