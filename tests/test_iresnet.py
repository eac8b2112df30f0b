"""IResNet: a classifier whose features invert, and an ordinary one whose features need not."""

import keras
import numpy as np
import pytest

from keras_flows import NotConverged
from keras_flows.layers import Residual
from keras_flows.models import IResNet
from tests.numeric import array

SMALL = {"levels": 1, "steps": 2, "hidden": 8, "classes": 2}


def pictures(count=64, side=4, channels=1):
    """Pictures of two classes, brighter at the top or at the bottom, and their labels."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, count)
    x = rng.integers(0, 156, (count, side, side, channels))
    x[y == 0, : side // 2] += 100
    x[y == 1, side // 2 :] += 100
    return x.astype("uint8"), y


def trained(**options):
    model = IResNet((4, 4, 1), **{**SMALL, **options})
    model.compile(keras.optimizers.Adam(0.02))
    x, y = pictures()
    model.fit(x, y, batch_size=16, epochs=8, verbose=0)
    return model, x, y


def expanded(model):
    """The model with larger kernels in its blocks, as longer training would give."""
    for weight in model.encoder.trainable_variables:
        if weight.name == "kernel" and len(weight.shape) == 4:
            weight.assign(20 * array(weight))
    return model


@pytest.mark.parametrize("padding", [0, 1])
def test_it_learns_and_its_features_invert(padding):
    model, x, y = trained(padding=padding)
    result = model.evaluate(x, y, verbose=0, return_dict=True)
    assert result["accuracy"] > 0.9 and result["loss"] < 0.5
    logits = model.predict(x, verbose=0)
    assert logits.shape == (64, 2) and np.mean(logits.argmax(-1) == y) > 0.9
    features = model.features(x)
    assert features.shape == (64, 2, 2, 4 * (1 + padding))
    np.testing.assert_allclose(model.invert(features), x, atol=255e-4)
    back, error, converged = model.invert(features, with_errors=True)
    assert converged.all() and error.max() < 1e-2 and back.shape == x.shape


def test_the_bounds_of_large_kernels_are_certified_and_they_invert():
    model, (x, _) = IResNet((16, 16, 1), **SMALL, lipschitz=0.8), pictures(8, side=16)
    model.adapt(x)
    expanded(model)
    blocks = [layer for layer in model.encoder.layers if isinstance(layer, Residual)]
    assert len(blocks) == 2 and all(0.7 < block.bounds()[0] < 1 for block in blocks)
    np.testing.assert_allclose(model.invert(model.features(x)), x, atol=255e-4)


def test_an_ordinary_one_of_the_same_size_does_not_invert_and_says_so():
    model, x, _ = trained(lipschitz=None)
    assert IResNet((4, 4, 1), **SMALL).count_params() > model.count_params()  # vectors of norms
    sizes = [
        sum(int(np.prod(v.shape)) for v in m.trainable_variables)
        for m in (model, IResNet((4, 4, 1), **SMALL))
    ]
    assert sizes[0] == sizes[1]
    features = expanded(model).features(x)
    with pytest.warns(NotConverged, match="64 of 64|6. of 64"):
        back = model.invert(features)
    assert not np.allclose(back, x, atol=1)
    assert not model.invert(features, with_errors=True)[2].all()


def test_a_saved_model_gives_the_same_and_goes_on_training(tmp_path):
    model, x, y = trained(padding=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-4)
    np.testing.assert_allclose(loaded.invert(model.features(x)), x, atol=255e-4)
    one, other = (m.evaluate(x, y, verbose=0, return_dict=True) for m in (model, loaded))
    assert one["accuracy"] == other["accuracy"]
    assert not loaded.needs_adapt
    loaded.fit(x, y, verbose=0)


@pytest.mark.slow
def test_remat_gives_the_same_loss():
    x, y = pictures()
    losses = []
    for backprop in (None, "remat"):
        keras.utils.set_random_seed(0)
        model = IResNet((4, 4, 1), **SMALL)
        model.backprop = backprop
        model.compile(keras.optimizers.SGD(0.1))
        losses.append(model.fit(x, y, epochs=2, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


def test_other_losses_and_metrics_are_kept():
    model = IResNet((4, 4, 1), **SMALL)
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    x, y = pictures(16)
    history = model.fit(x, np.eye(2, dtype="float32")[y], verbose=0).history
    assert list(history) == ["loss"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: IResNet((6, 6, 1), levels=2),
        lambda: IResNet((4, 4, 1), steps=0),
        lambda: IResNet((4, 4, 1), padding=-1),
        lambda: IResNet((4, 4, 1), classes=0),
        lambda: IResNet((4, 4, 1), lipschitz=1.5),
        lambda: IResNet((4, 4, 1), activation="relu"),
        lambda: IResNet((4, 4, 1), hidden=()),
        lambda: setattr(IResNet((4, 4, 1), **SMALL), "backprop", "reversible"),
        lambda: IResNet((4, 4, 1), **SMALL).features(np.zeros((3, 5, 4, 1))),
        lambda: IResNet((4, 4, 1), **SMALL).invert(np.zeros((3, 4))),
    ],
)
def test_what_cannot_work_is_refused(make):
    with pytest.raises(ValueError, match="Received"):
        make()
