"""Values of layers, by formula and by number: a wrong map can still be invertible."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import Flow, layers
from tests.layers import CASES, normal
from tests.nets import affine, net, net64
from tests.numeric import array, arrays, built, encode, perturb


def draw(*shape):
    return normal(np.random.default_rng(0), shape)


def test_squeeze_puts_channels_in_the_order_row_column_channel():
    x = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    z = array(layers.Squeeze()(x))
    assert z[0, 0, 0].tolist() == [0, 1, 4, 5] and z[0, 1, 0].tolist() == [8, 9, 12, 13]
    x = np.arange(8, dtype="float32").reshape(1, 2, 2, 2)
    assert array(layers.Squeeze()(x)).ravel().tolist() == list(range(8))
    assert array(layers.UnSqueeze()(layers.Squeeze()(x))).ravel().tolist() == list(range(8))


def test_split_vector_separates_even_and_odd_positions():
    even, odd = arrays(layers.SplitVector()(np.arange(5.0).reshape(1, 5)))
    assert even.tolist() == [[0, 2, 4]] and odd.tolist() == [[1, 3]]
    joined = layers.ConcatVector()([np.array([[7.0, 9.0]]), np.array([[8.0]])])
    assert array(joined).tolist() == [[7, 8, 9]]


def test_split_cuts_contiguous_parts():
    x = np.arange(5.0).reshape(1, 5)
    assert [v.ravel().tolist() for v in arrays(layers.Split()(x))] == [[0, 1, 2], [3, 4]]
    parts = arrays(layers.Split([1, 3, 1])(x))
    assert [v.ravel().tolist() for v in parts] == [[0], [1, 2, 3], [4]]


def test_shuffles():
    x = np.array([[10.0, 11.0, 12.0]])
    assert array(layers.Shuffle()(x)).tolist() == [[12, 11, 10]]
    ordered = layers.Shuffle(idxs=[2, 0, 1])
    assert array(ordered(x)).tolist() == [[12, 10, 11]]
    assert array(ordered.inverse()(x)).tolist() == [[11, 12, 10]]
    assert sorted(array(layers.Shuffle("random")(x)).ravel()) == [10, 11, 12]


def test_coupling_subtracts_and_flips():
    x = draw(3, 5)
    for split, flip, fixed, moved in [
        ("interleaved", False, slice(0, 5, 2), slice(1, 5, 2)),
        ("interleaved", True, slice(1, 5, 2), slice(0, 5, 2)),
        ("halves", False, slice(0, 3), slice(3, 5)),
        ("halves", True, slice(3, 5), slice(0, 3)),
    ]:
        network = net(x[:, moved].shape[1])
        z = array(layers.Coupling(network, split=split, flip=flip)(x))
        np.testing.assert_array_equal(z[:, fixed], x[:, fixed])
        expected = x[:, moved] - array(network(ops.convert_to_tensor(x[:, fixed])))
        np.testing.assert_allclose(z[:, moved], expected, atol=1e-6)


def test_scale_and_actnorm():
    x = draw(2, 3, 3, 4)
    scale, norm = (perturb(built(CASES[n])) for n in ("Scale-image", "Actnorm-image"))
    x = draw(2, 4, 4, 3)
    (z,), log_det = encode(scale, [x])
    np.testing.assert_allclose(z, x * np.exp(array(scale.kernel)), rtol=1e-5)
    np.testing.assert_allclose(log_det, 16 * array(scale.kernel).sum(), rtol=1e-5)
    (z,), log_det = encode(norm, [x])
    np.testing.assert_allclose(z, x * np.exp(array(norm.kernel)) + array(norm.bias), rtol=1e-4)
    np.testing.assert_allclose(log_det, 16 * array(norm.kernel).sum(), rtol=1e-5)


@pytest.mark.parametrize("use_shift", [True, False])
def test_adapted_actnorm_normalises_its_first_batch(use_shift):
    x, norm = draw(50, 4, 4, 3), layers.Actnorm(use_shift=use_shift)
    norm.adapt(ops.convert_to_tensor(x))
    z = array(norm(x))
    np.testing.assert_allclose(z.std((0, 1, 2)), 1, rtol=1e-4)
    mean = 0 if use_shift else (x.mean((0, 1, 2)) / x.std((0, 1, 2)))
    np.testing.assert_allclose(z.mean((0, 1, 2)), mean, atol=1e-4)


@pytest.mark.parametrize("use_shift", [True, False])
def test_cond_actnorm(use_shift):
    x, condition, layer = draw(3, 2), draw(3, 4), layers.CondActnorm(use_shift=use_shift)
    layer([x, condition])
    assert layer.net.units == (4 if use_shift else 2)
    np.testing.assert_array_equal(encode(layer, [x, condition])[0][0], x)  # starts as the identity
    perturb(layer)
    params = array(layer.net(ops.convert_to_tensor(condition)))
    (z,), log_det = encode(layer, [x, condition])
    shift = params[:, 2:] if use_shift else 0
    np.testing.assert_allclose(z, np.exp(params[:, :2]) * x + shift, rtol=1e-5)
    np.testing.assert_allclose(log_det, params[:, :2].sum(-1), rtol=1e-5)
    # The inverse has the whole configuration, with and without a shift.
    copy = type(layer.inverse()).from_config(layer.inverse().get_config())
    assert copy.layer.use_shift == use_shift


def test_inv_conv_starts_as_a_rotation_in_plu_form():
    layer = layers.InvConv(seed=0)
    kernel = array(layer(np.eye(5, dtype="float32")))
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(5), atol=1e-5)
    assert len(layer.trainable_variables) == 3 and len(layer.non_trainable_variables) == 2
    perturb(layer)
    sign, log_abs = np.linalg.slogdet(array(layer(np.eye(5, dtype="float32"))))
    np.testing.assert_allclose(log_abs, array(layer.log_diagonal).sum(), atol=1e-5)


def test_the_random_rotation_differs_from_layer_to_layer_and_follows_its_seed():
    x = np.eye(4, dtype="float32")
    one, same, other, free = (array(layers.InvConv(seed=s)(x)) for s in (1, 1, 2, None))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.01 and np.abs(one - free).max() > 0.01


def test_logit():
    x = np.array([[0.0, 0.5, 1.0]], "float32")
    z = array(layers.Logit(0.05)(x))
    np.testing.assert_allclose(z, [[np.log(0.05 / 0.95), 0, np.log(0.95 / 0.05)]], atol=1e-5)


def test_class_vectors_are_unit_vectors():
    layer = layers.ClassVector(3)
    assert array(layer(np.array([2, 0]))).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert layer(keras.Input((), dtype="uint8")).shape == (None, 3)
    assert type(layer).from_config(layer.get_config()).classes == 3


def test_a_training_step_in_float64_has_its_precision(float64):
    x, data = keras.Input((4,)), draw(8, 4)
    norm = layers.BatchNormFlow(0.5, data_init=False)
    flow = perturb(Flow(keras.Model(x, norm(affine(net64(4), split="halves")(x)))))
    before, expected = arrays(flow.trainable_variables), []

    def loss(weight, value):
        weight.assign(value)
        z, log_det = flow(ops.convert_to_tensor(data), training=True)
        return -np.mean(array(flow.prior.log_prob(z) + log_det))

    for weight, value in zip(flow.trainable_variables, before):
        step = np.zeros_like(value)
        step.flat[-1] = 1e-5
        expected.append((loss(weight, value + step) - loss(weight, value - step)) / 2e-5)
        weight.assign(value)
    flow.compile(keras.optimizers.SGD(1.0))
    flow.train_on_batch(data)
    moved = [old - array(w) for old, w in zip(before, flow.trainable_variables)]
    np.testing.assert_allclose([v.flat[-1] for v in moved], expected, rtol=1e-6, atol=1e-9)


def test_rescale():
    (z,), log_det = encode(layers.Rescale(-2.0, 1.0), [np.array([[0.0, 0.5, 1.0]], "float32")])
    assert z.tolist() == [[1, 0, -1]] and log_det == pytest.approx(3 * np.log(2))


def test_dequantize_gives_the_middle_of_the_bin_outside_training():
    z = array(layers.Dequantize(4)(np.array([[0, 3]], "uint8")))
    np.testing.assert_allclose(z, [[0.125, 0.875]])


def test_logits_and_scales_stay_finite_at_the_extremes():
    for layer, z in ((layers.Logit(1e-6), 80.0), (layers.Logit(1e-6), -80.0)):
        x, log_det = encode(layer.inverse(), [np.full((1, 2), z, "float32")])
        assert np.all(np.isfinite(x[0])) and np.all(np.isfinite(log_det))
