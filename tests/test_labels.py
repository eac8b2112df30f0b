"""Labels and integers: which input they are, and values that are refused or give NaN."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import Flow, layers
from keras_flows.priors.mixture import AutoregressiveMixture
from tests.flows import pixel_flow, vectors
from tests.multiscale import eager
from tests.numeric import array, perturb
from tests.test_flow import as_py_dataset, as_tf_data

N, CLASSES = 24, 3
LABELS = np.arange(N) % CLASSES


@functools.cache
def label_last():
    """p(x | c, label): the label is the second context."""
    x, c, label = keras.Input((2,)), keras.Input((2,)), keras.Input((), dtype="int32")
    inner = keras.Input((), dtype="int32")  # the layer may be part of an inner model
    one_hot = keras.Model(inner, layers.ClassVector(CLASSES)(inner))
    h = layers.CondActnorm()([layers.CondActnorm()([x, c]), one_hot(label)])
    flow = eager(perturb(Flow(keras.Model([x, c, label], h))))
    flow.compile("sgd", run_eagerly=keras.backend.backend() == "tensorflow")
    return flow


def data():
    return vectors(N, 2), 100 * vectors(N, 2, seed=1)


def test_the_label_may_be_any_context():
    flow, (x, c) = label_last(), data()
    assert flow.inputs_spec.labels == {2: (CLASSES, False)}
    assert np.all(np.isfinite(flow.log_prob(x, [c, LABELS])))
    flow.evaluate([x, c, LABELS], verbose=0)


@pytest.mark.parametrize("bad", [7, -1, 1.5, 0.5, np.nan, "a"], ids=str)
@pytest.mark.parametrize("method", ["fit", "evaluate", "log_prob", "encode", "sample"])
def test_values_that_are_not_labels_are_refused(method, bad):
    flow, (x, c) = label_last(), data()
    labels = LABELS.astype(type(bad) if not isinstance(bad, str) else "U3")
    labels[5] = bad
    calls = {"sample": lambda: flow.sample(N, context=[c, labels])}
    with pytest.raises(ValueError, match="Received"):
        calls.get(method, lambda: getattr(flow, method)(x, [c, labels]))()


def test_wrong_labels_in_data_sets_are_refused_or_give_nan():
    flow, (x, c), labels = label_last(), data(), LABELS.copy()
    labels[5] = 7
    assert np.isnan(flow.evaluate(as_tf_data(((x, c, labels),)), verbose=0))
    tensors = [ops.convert_to_tensor(v) for v in (x, c, labels)]
    is_nan = np.isnan(array(flow.log_prob(tensors[0], tensors[1:])))
    assert is_nan.tolist() == (labels == 7).tolist()
    with pytest.raises(ValueError, match="classes from 0 to 2. Received: labels from 0 to 7"):
        label_last.__wrapped__().evaluate(keras_batches(x, c, labels), verbose=0)


def keras_batches(*inputs):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, i):
            return (inputs,)

    return Batches()


@pytest.mark.parametrize("drop", [0.0, 0.1])
def test_vectors_of_labels_that_are_no_class(drop):
    vectors = array(layers.ClassVector(3, drop)(np.array([0, 2, -1, 3, -2])))
    assert vectors[:2].tolist() == [[1, 0, 0], [0, 0, 1]]
    assert np.all(np.isnan(vectors[3:]))
    assert np.all(vectors[2] == 0) if drop else np.all(np.isnan(vectors[2]))
    halves = array(layers.ClassVector(3, drop)(np.float32([1, 1.5, np.nan])))
    assert halves[0].tolist() == [0, 1, 0] and np.all(np.isnan(halves[1:]))


def test_labels_of_a_prior_are_checked():
    x, label = keras.Input((2,)), keras.Input((), dtype="int32")
    h = layers.CondActnorm()([x, ops.one_hot(label, 3)])
    flow = Flow(keras.Model([x, label], h), AutoregressiveMixture(2, hidden=(4,), classes=3))
    with pytest.raises(ValueError, match="classes from 0 to 2. Received"):
        flow.log_prob(vectors(4, 2), np.array([0, 1, 2, 3]))


def test_integers_out_of_range_are_refused_or_give_nan():
    flow = eager(perturb(pixel_flow(levels=4)))
    flow.compile("sgd", run_eagerly=keras.backend.backend() == "tensorflow")
    x = np.random.default_rng(0).integers(0, 4, (N, 2)).astype("uint16")
    assert np.all(np.isfinite(array(flow.log_prob(ops.convert_to_tensor(x.astype("int32"))))))
    bad = x.copy()
    bad[3, 1] = 51_000
    with pytest.raises(ValueError, match="integers from 0 to 3. Received: values from 0 to 51000"):
        flow.log_prob(bad)
    tensor = ops.convert_to_tensor(bad.astype("int32"))
    assert np.isnan(array(flow.log_prob(tensor))).tolist() == (bad > 3).any(1).tolist()
    assert np.all(np.isnan(flow.evaluate(as_tf_data(bad.astype("int32")), verbose=0)))
    with pytest.raises(ValueError, match="integers from 0 to 3. Received"):
        flow.log_prob(as_py_dataset(bad[:16]))
