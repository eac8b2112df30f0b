"""Class-conditional Glow: labels in training, densities and samples."""

import functools

import keras
import numpy as np
import pytest

from keras_flows import layers
from tests.multiscale import VARIANTS, eager, smooth_pictures, train_briefly
from tests.numeric import array

CLASSES = 3
LABELS = np.arange(16) % CLASSES


def pictures_by_class(n=16):
    """Pictures whose brightness rises with their class."""
    x = smooth_pictures(n) // 8 + 90 * (np.arange(n) % CLASSES)[:, None, None, None]
    return x.astype("uint8")


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 1

    def __getitem__(self, i):
        return ((pictures_by_class(), LABELS),)


def conditional_glow():
    return VARIANTS["paper"](levels=1, classes=CLASSES)


@functools.cache
def trained_conditional_glow():
    return train_briefly(conditional_glow(), pictures_by_class(), LABELS, steps=12, rate=0.03)


def test_densities_distinguish_the_classes():
    flow, x = trained_conditional_glow(), pictures_by_class()
    by_class = np.stack([flow.log_prob(x, label) for label in range(CLASSES)])
    assert by_class.shape == (CLASSES, 16)
    assert np.mean(by_class.argmax(0) == LABELS) > 0.9
    apart, listed = flow.bits_per_dim(x, LABELS), flow.bits_per_dim([x, LABELS])
    np.testing.assert_allclose(apart.mean(), listed.mean(), rtol=0.01)


@pytest.mark.parametrize("data", ["apart", "list", "data set"])
def test_labels_come_with_the_data_in_three_ways(data):
    keras.utils.set_random_seed(0)
    inputs = {"apart": (pictures_by_class(), LABELS), "list": ([pictures_by_class(), LABELS],)}
    flow = train_briefly(conditional_glow(), *inputs.get(data, (Batches(),)), steps=1)
    assert not flow.needs_adapt
    kernel = next(v for v in flow.encoder.layers if isinstance(v, layers.CondActnorm)).net.kernel
    assert kernel.shape[0] == CLASSES and np.all(np.any(array(kernel) != 0, axis=1))


def test_samples_of_one_class_or_of_one_each():
    flow = trained_conditional_glow()
    one = flow.sample(3, 0.5, seed=0, context=2)
    labels = np.array([0, 1, 2])
    each = flow.sample(3, 0.5, seed=0, context=labels)
    assert one.shape == each.shape == (3, 8, 8, 1)
    np.testing.assert_array_equal(each[2], one[2])
    listed = flow.sample(3, 0.5, seed=0, context=[0, 1, 2])
    np.testing.assert_array_equal(listed, each)
    np.testing.assert_array_equal(flow.sample(3, 0.5, seed=0, context=np.full(3, 2)), one)
    assert each[0].mean() < each[1].mean() < each[2].mean()
    x = pictures_by_class(3)
    np.testing.assert_array_equal(flow.reconstruct(x, labels), x)


@pytest.mark.parametrize("call", ["fit", "evaluate", "log_prob", "encode", "adapt", "bits_per_dim"])
def test_a_missing_label_is_an_error(call):
    flow = conditional_glow()
    flow.compile("sgd")
    with pytest.raises(ValueError, match="context.*Received"):
        getattr(flow, call)(pictures_by_class())


def test_samples_without_a_label_and_labels_in_a_wrong_number_are_refused():
    flow = eager(trained_conditional_glow())
    with pytest.raises(ValueError, match="context.*Received"):
        flow.sample(2)
    with pytest.raises(ValueError):
        flow.log_prob(pictures_by_class(), LABELS[:5])


@pytest.mark.parametrize("label", [-1, CLASSES])
def test_labels_of_classes_that_do_not_exist_are_refused(label):
    flow, x, labels = trained_conditional_glow(), pictures_by_class(), LABELS.copy()
    labels[3] = label
    for call in (
        lambda: flow.fit(x, labels),
        lambda: flow.log_prob([x, labels]),
        lambda: flow.encode(x, label),
        lambda: flow.sample(2, context=label),
    ):
        with pytest.raises(ValueError, match="Received"):
            call()


def test_a_class_conditional_flow_loads(tmp_path):
    flow, x = trained_conditional_glow(), pictures_by_class()
    flow.save(tmp_path / "flow.keras")
    again = eager(keras.saving.load_model(tmp_path / "flow.keras"))
    assert again.conditional and not again.needs_adapt
    np.testing.assert_allclose(again.encode(x, LABELS), flow.encode(x, LABELS), atol=1e-5)
