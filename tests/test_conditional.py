"""Densities given a context: contexts for each sample or for all, in lists, from data sets."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import Flow, layers
from keras_flows.plots.grids import reconstruction_rows, temperature_sweep, to_pictures
from keras_flows.training.callbacks import SampleGrid
from tests.flows import trained, vector_flow, vectors
from tests.nets import net_of_two
from tests.numeric import array, perturb


def conditional_flow():
    """p(x | a, b): a in a coupling's network, b in an affine map."""
    x, a, b = keras.Input((4,)), keras.Input((2,), name="a"), keras.Input((3,), name="b")
    coupling = layers.Coupling(net_of_two((2,), (2,), 4), "affine", split="halves")
    h = layers.CondActnorm()([coupling([layers.Actnorm()(x), a]), b])
    return Flow(keras.Model([x, a, b], h))


def contexts(n, seed=1):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, size)).astype("float32") for size in (2, 3)]


@functools.cache
def adapted():
    flow = perturb(conditional_flow())
    flow.adapt([vectors(32), *contexts(32)])
    return flow


def test_the_decoder_takes_the_same_contexts():
    flow, x, context = adapted(), vectors(8), contexts(8)
    assert flow.conditional and flow.data_shape == (4,) and flow.dims == 4
    z = flow.encode(x, context)
    np.testing.assert_allclose(flow.decode(z, context), x, atol=1e-4)
    np.testing.assert_allclose(flow.reconstruct(x, context), x, atol=1e-4)
    assert np.abs(flow.decode(z, contexts(8, seed=2)) - x).max() > 0.1


def test_log_prob_takes_contexts_separately_or_in_a_list_as_arrays_or_tensors():
    flow, x, context = adapted(), vectors(8), contexts(8)
    expected = flow.log_prob(x, context)
    assert expected.shape == (8,)
    np.testing.assert_allclose(flow.log_prob([x, *context]), expected, rtol=1e-5)
    tensors = [ops.convert_to_tensor(v) for v in (x, *context)]
    np.testing.assert_allclose(array(flow.log_prob(tensors[0], tensors[1:])), expected, rtol=1e-4)
    one = [v[0] for v in context]
    by_tensor = array(flow.log_prob(tensors[0], one))
    np.testing.assert_allclose(by_tensor, flow.log_prob(x, one), rtol=1e-4)
    assert np.abs(flow.log_prob(x, contexts(8, seed=2)) - expected).max() > 0.1


def test_labels_of_validation_data_are_used():
    x, label = keras.Input((4,)), keras.Input((), dtype="int32")
    layer = layers.CondActnorm()
    flow = Flow(keras.Model([x, label], layer([x, layers.ClassVector(2)(label)])))
    layer.net.bias.assign([0.0] * 4 + [1.0] * 4)
    layer.net.kernel.assign([[0.0] * 8, [1.0] * 8])
    flow.compile(keras.optimizers.SGD(0.0))
    data, labels = vectors(16), np.arange(16) % 2
    for held_out in (labels, 1 - labels):
        history = flow.fit(data, labels, validation_data=(data, held_out), verbose=0).history
        expected = -flow.log_prob(data, held_out).mean()
        assert history["val_loss"][0] == pytest.approx(expected, rel=1e-4)
    assert history["loss"][0] != pytest.approx(expected, rel=1e-2)


def test_one_context_applies_to_all_samples():
    flow, x, context = adapted(), vectors(8), [v[0] for v in contexts(8)]
    repeated = [np.repeat(v[None], 8, axis=0) for v in context]
    np.testing.assert_allclose(flow.log_prob(x, context), flow.log_prob(x, repeated), rtol=1e-5)
    np.testing.assert_allclose(flow.encode(x, context), flow.encode(x, repeated), rtol=1e-5)
    one, all_ = (flow.sample(8, seed=0, context=c) for c in (context, repeated))
    np.testing.assert_allclose(one, all_, atol=1e-6)
    line = flow.interpolate(x[0], x[1], 3, context=context)
    np.testing.assert_allclose(line[[0, -1]], x[:2], atol=1e-4)


def test_the_density_given_a_context_integrates_to_one():
    x, c = keras.Input((2,)), keras.Input((1,))
    h = layers.Coupling(net_of_two((1,), (1,), 2), "affine", scale="tanh")([x, c])
    flow = perturb(Flow(keras.Model([x, c], layers.CondActnorm()([h, c]))))
    axis = np.linspace(-9, 9, 401)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2).astype("float32")
    for value in (-1.0, 2.0):
        density = np.exp(flow.log_prob(grid, np.float32([value]), batch_size=65536))
        assert density.sum() * 0.045**2 == pytest.approx(1, abs=2e-3)


def test_fit_learns_from_the_context():
    context = contexts(256)
    x = vectors(256) + 3 * context[1][:, :1]
    flow = trained(conditional_flow(), [x, *context], epochs=6, rate=0.03)
    assert not flow.needs_adapt
    right = flow.log_prob(x, context).mean()
    assert right > flow.log_prob(x, [context[0], context[1][::-1]]).mean() + 0.5
    flow.compile("sgd")
    loss = flow.evaluate(x, context, batch_size=256, verbose=0)
    np.testing.assert_allclose(loss, -right, rtol=1e-4)


def picture_flow():
    x, c = keras.Input((2, 2, 1), dtype="uint8"), keras.Input((), dtype="int32")
    h = layers.Logit()(layers.Dequantize(4)(x))
    h = layers.CondActnorm()([h, ops.one_hot(c, 2)])
    return Flow(keras.Model([x, c], layers.Reshape((4,))(h)))


def test_pictures_of_flows_with_a_context(tmp_path):
    flow = perturb(picture_flow())
    x = np.random.default_rng(0).integers(0, 4, size=(6, 2, 2, 1)).astype("uint8")
    rows = reconstruction_rows(flow, x, 3, context=np.array([0, 1] * 3))
    assert rows.shape == (12, 2, 2, 1)
    np.testing.assert_array_equal(rows[[0, 1, 2, 6, 7, 8]], x)
    np.testing.assert_array_equal(rows[[3, 4, 5, 9, 10, 11]], x)
    assert temperature_sweep(flow, [0.5, 1.0], 3, context=1).shape == (6, 2, 2, 1)
    callback = SampleGrid(tmp_path / "{epoch}.png", rows=2, columns=2, context=[0, 1, 0, 1])
    callback.set_model(flow)
    callback.on_epoch_end(0)
    assert (tmp_path / "1.png").exists()


def test_pictures_of_few_levels_are_stretched():
    x = np.array([[[[0], [1]], [[2], [3]]]], "uint8")
    assert to_pictures(x, levels=4).ravel().tolist() == [0, 85, 170, 255]
    assert to_pictures(x).ravel().tolist() == to_pictures(x, levels=256).ravel().tolist()
    assert to_pictures(x).max() == 3


def test_a_missing_context_is_an_error():
    flow, x = adapted(), vectors(8)
    for call in (
        lambda: flow.log_prob(x),
        lambda: flow.sample(2),
        lambda: flow.encode(x),
        lambda: flow.fit(x),
        lambda: flow.fit([x, contexts(8)[0]]),
        lambda: flow.log_prob(x, contexts(8)[:1]),
        lambda: flow.sample(3, context=contexts(3)[0]),
    ):
        with pytest.raises(ValueError, match="context.*Received"):
            call()


def test_a_context_for_a_flow_without_one_is_refused():
    flow = perturb(vector_flow())
    for call in (
        lambda: flow.log_prob(vectors(2), np.zeros(2)),
        lambda: flow.sample(2, context=1),
        lambda: flow.reconstruct(vectors(2), np.zeros(2)),
    ):
        with pytest.raises(ValueError, match="no context.*Received"):
            call()


def test_data_must_come_first():
    x, c = keras.Input((4,)), keras.Input((4,))
    with pytest.raises(ValueError, match="followed by any number of conditions.*Received"):
        Flow(keras.Model([c, x], layers.CondActnorm()([x, c])))


def test_a_loaded_flow_takes_the_same_contexts(tmp_path):
    flow, x, context = adapted(), vectors(8), contexts(8)
    flow.save(tmp_path / "flow.keras")
    again = keras.saving.load_model(tmp_path / "flow.keras")
    np.testing.assert_allclose(again.log_prob(x, context), flow.log_prob(x, context), rtol=1e-5)
    np.testing.assert_allclose(again.reconstruct(x, context), x, atol=1e-4)
