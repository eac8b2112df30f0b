"""`Flow`: densities, training on every kind of data, samples, and errors."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import Flow, layers
from keras_flows.core.ledger import Ledger
from keras_flows.flow.batched_data import first_batch
from tests.flows import picture_flow, pictures, pixel_flow, trained, vector_flow, vectors
from tests.nets import Sinh
from tests.numeric import array, gradient, perturb


def as_array(x):
    return x


def as_tf_data(x):
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices(x).batch(16)


def as_py_dataset(x):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return len(x) // 16

        def __getitem__(self, i):
            return (x[16 * i : 16 * i + 16],)

    return Batches()


def as_torch_loader(x):
    data = pytest.importorskip("torch.utils.data")
    import torch

    return data.DataLoader(data.TensorDataset(torch.as_tensor(x)), batch_size=16)


def as_generator(x):
    return ((x[i : i + 16],) for i in range(0, len(x), 16))


KINDS = [as_array, as_tf_data, as_py_dataset, as_torch_loader, as_generator]


@functools.cache
def trained_on_an_array():
    keras.utils.set_random_seed(0)
    return trained(vector_flow(), vectors(64), epochs=1).log_prob(vectors(64))


@pytest.mark.parametrize("kind", KINDS)
def test_fit_takes(kind):
    x = vectors(64)
    keras.utils.set_random_seed(0)
    flow = vector_flow()
    flow.compile(keras.optimizers.Adam(0.01))
    options = {as_array: {"batch_size": 16}, as_generator: {"steps_per_epoch": 4}}.get(kind, {})
    flow.fit(kind(x), epochs=1, verbose=0, shuffle=False, **options)
    assert int(array(flow.optimizer.iterations)) == 4
    assert not flow.needs_adapt
    # The same data in the same order gives the same density for every kind of data.
    np.testing.assert_allclose(flow.log_prob(x), trained_on_an_array(), rtol=1e-4)


def test_the_first_batch_of_a_generator_is_not_lost():
    x = vectors(64)
    batch, data = first_batch(as_generator(x))
    np.testing.assert_array_equal(batch, x[:16])
    np.testing.assert_array_equal(np.concatenate([b for (b,) in data]), x)


@functools.cache
def trained_picture_flow():
    return trained(picture_flow(), pictures())


def test_training_lowers_the_loss_and_evaluate_is_the_mean_of_log_prob():
    flow, x = vector_flow(), vectors(128)
    flow.adapt(x)
    before = -flow.log_prob(x).mean()
    trained(flow, x, epochs=8)
    loss = flow.evaluate(x, batch_size=40, verbose=0)
    assert loss < before - 0.1
    np.testing.assert_allclose(loss, -flow.log_prob(x).mean(), rtol=1e-4)


def plain_encoder():
    x = keras.Input((4,))
    h = layers.Coupling(net_of_ones(2), split="halves")(Sinh()(layers.InvConv(seed=0)(x)))
    return keras.Model(x, layers.Scale("zeros")(layers.Actnorm(data_init=False)(h)))


def net_of_ones(size):
    return keras.Sequential(
        [keras.layers.Dense(size, activation="tanh", kernel_initializer="ones")]
    )


def test_a_plain_model_trains_to_the_same_weights():
    x = vectors(64)
    flow, plain = Flow(plain_encoder()), plain_encoder()
    flow.compile(keras.optimizers.SGD(0.01))
    plain.compile(keras.optimizers.SGD(0.01), loss=lambda _, z: 0.5 * ops.sum(z * z, axis=-1))
    options = {"batch_size": 16, "epochs": 2, "shuffle": False, "verbose": 0}
    by_flow, by_model = (m.fit(*data, **options) for m, data in ((flow, (x,)), (plain, (x, x))))
    expected = np.array(by_flow.history["loss"]) - 2 * np.log(2 * np.pi)
    np.testing.assert_allclose(by_model.history["loss"], expected, atol=1e-4)
    for a, b in zip(flow.encoder.trainable_variables, plain.trainable_variables):
        np.testing.assert_allclose(array(a), array(b), atol=1e-5)


def scale_and_logit():
    x, scale = keras.Input((2,)), layers.Scale("zeros")
    flow = Flow(keras.Model(x, scale(layers.Logit(0.1)(x))))
    scale.kernel.assign([[0.3, -0.5]])
    return flow


def test_log_prob_follows_the_formula():
    x = np.array([[0.2, 0.7], [0.5, 0.9], [0.01, 0.4]], "float32")
    s, k = 0.1 + 0.8 * x, np.array([0.3, -0.5])
    z = np.log(s / (1 - s)) * np.exp(k)
    log_det = (np.log(0.8) - np.log(s) - np.log(1 - s) + k).sum(-1)
    expected = -0.5 * (z**2 + np.log(2 * np.pi)).sum(-1) + log_det
    np.testing.assert_allclose(scale_and_logit().log_prob(x), expected, rtol=1e-5)
    np.testing.assert_allclose(scale_and_logit().log_prob(x, batch_size=2), expected, rtol=1e-5)


def test_the_density_integrates_to_one():
    x = keras.Input((2,))
    h = layers.Coupling(net_of_ones(1))(Sinh().inverse()(layers.InvConv(seed=0)(x)))
    flow = Flow(keras.Model(x, layers.Scale()(h)))
    perturb(flow)
    axis = np.linspace(-5, 5, 401)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2).astype("float32")
    assert np.exp(flow.log_prob(grid, batch_size=65536)).sum() * 0.025**2 == pytest.approx(
        1, abs=2e-3
    )


def test_log_prob_has_one_number_a_sample_also_for_a_scalar_log_det():
    x = keras.Input((3,))
    flow = Flow(keras.Model(x, layers.Shuffle()(x)))
    assert flow.log_prob(np.zeros((5, 3), "float32")).shape == (5,)
    assert flow.log_prob(np.zeros((1, 3), "float32")).shape == (1,)


def test_gradient_of_log_prob_of_a_tensor():
    x, scale = keras.Input((3,)), layers.Scale("zeros")
    flow = Flow(keras.Model(x, scale(x)))
    scale.kernel.assign([[0.3, -0.5, 0.1]])
    data = vectors(4, 3)
    expected = -data * np.exp([0.6, -1.0, 0.2])
    np.testing.assert_allclose(gradient(flow.log_prob, data), expected, rtol=1e-5)


def test_tensors_and_arrays_have_the_same_log_prob():
    flow, x = trained_picture_flow(), pictures(5, seed=1)
    log_prob = flow.log_prob(ops.convert_to_tensor(x))
    assert ops.is_tensor(log_prob)
    np.testing.assert_allclose(array(log_prob), flow.log_prob(x), rtol=1e-5)


def test_samples_follow_seed_and_temperature():
    flow = trained_picture_flow()
    one, two = flow.sample(5, seed=3), flow.sample(5, seed=3, batch_size=2)
    assert one.shape == (5, 4, 4, 2)
    np.testing.assert_allclose(one, two, atol=1e-5)
    assert np.abs(one - flow.sample(5, seed=4)).max() > 0.1
    mode = flow.decode(np.zeros((1, 32), "float32"))
    np.testing.assert_allclose(flow.sample(3, temperature=0.0), np.repeat(mode, 3, 0), atol=1e-5)
    assert flow.sample(64, 0.3, seed=0).std(0).mean() < 0.5 * flow.sample(64, seed=0).std(0).mean()


def test_reconstruction_and_interpolation():
    flow, x = trained_picture_flow(), pictures(6, seed=1)
    np.testing.assert_allclose(flow.reconstruct(x, batch_size=4), x, atol=1e-4)
    line = flow.interpolate(x[0], x[1], steps=5)
    assert line.shape == (5, 4, 4, 2)
    np.testing.assert_allclose(line[[0, -1]], x[:2], atol=1e-4)
    z = flow.encode(line)
    steps = np.repeat(np.diff(z[[0, -1]], axis=0) / 4, 4, axis=0)
    np.testing.assert_allclose(np.diff(z, axis=0), steps, atol=1e-3)
    lines = flow.interpolate(x[:3], x[3:], steps=4)
    assert lines.shape == (3, 4, 4, 4, 2)
    np.testing.assert_allclose(lines[:, 0], x[:3], atol=1e-4)
    np.testing.assert_allclose(lines[:, -1], x[3:], atol=1e-4)


def test_adapt_runs_once_and_gives_unit_moments():
    x = keras.Input((4,))
    h = layers.Scale(factor=5.0, data_init=True)(x)
    flow = Flow(keras.Model(x, layers.Actnorm(use_shift=True)(h)))
    data = vectors(64)
    assert flow.needs_adapt
    flow.adapt(data)
    np.testing.assert_allclose(array(flow.encoder.layers[1](data)).std(0), 1, atol=1e-4)
    z = flow.encode(data)
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(z.std(0), 1, atol=1e-4)
    before = flow.get_weights()
    flow.adapt(100 * data)
    assert not flow.needs_adapt
    assert all(np.array_equal(a, b) for a, b in zip(before, flow.get_weights()))


def test_constant_channels_keep_their_scale():
    x = keras.Input((3,))
    flow = Flow(keras.Model(x, layers.Scale("zeros", data_init=True)(layers.Actnorm()(x))))
    data = np.concatenate([vectors(32, 2), np.full((32, 1), 7.0, "float32")], -1)
    flow.adapt(data)
    assert np.all(np.isfinite(flow.log_prob(data)))
    np.testing.assert_allclose(flow.reconstruct(data), data, atol=1e-4)
    np.testing.assert_allclose(array(flow.layers[0].layers[1].kernel)[2], 0)


def test_noise_acts_in_training_only():
    x = keras.Input((4,))
    flow, data = Flow(keras.Model(x, layers.UniformNoise(-0.5, 0.0)(x))), vectors(200)
    np.testing.assert_array_equal(flow.encode(data), data)
    np.testing.assert_array_equal(flow.log_prob(data), flow.log_prob(data))
    noise = array(flow(data, training=True)[0]) - data
    assert -0.5 <= noise.min() < -0.48 and -0.02 < noise.max() <= 0
    assert len(np.unique(noise.round(4))) > 300


def test_mixed_precision_keeps_the_density_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    flow, x = picture_flow(), pictures()
    trained(flow, x)
    assert flow.encoder.layers[-1].compute_dtype == "float32"
    assert array(flow.log_prob(ops.convert_to_tensor(x))).dtype == "float32"
    np.testing.assert_allclose(flow.reconstruct(x), x, atol=1e-4)


def test_the_loss_includes_sample_weights_and_penalties():
    x = keras.Input((4,))
    dense = keras.layers.Dense(2, kernel_initializer="ones", kernel_regularizer="l2")
    a, b = layers.Split()(x)
    flow = Flow(keras.Model(x, layers.Concat()(layers.AddCouple()([a, b, dense(a)]))))
    flow.compile("sgd")
    data, weights = vectors(8), np.linspace(0, 2, 8)
    loss = flow.evaluate(data, verbose=0)
    assert loss == pytest.approx(0.04 - flow.log_prob(data).mean(), rel=1e-4)
    y_pred = flow(ops.convert_to_tensor(data))
    weighted = array(flow.compute_loss(y_pred=y_pred, sample_weight=weights))
    expected = 0.04 - (weights * flow.log_prob(data)).mean()
    assert weighted == pytest.approx(expected, rel=1e-4)


def test_a_ledger_is_active_in_its_block_only():
    layer = layers.Scale()
    with pytest.raises(RuntimeError), Ledger():
        layer(vectors(2))
        raise RuntimeError
    assert not Ledger.active()
    with Ledger() as outer:
        layer(vectors(2))
        with Ledger() as inner:
            layer(vectors(2))
    assert len(outer.entries) == len(inner.entries) == 1


def test_summary_prints_layers_and_costs(capsys):
    flow = vector_flow()
    flow.summary()
    text = capsys.readouterr().out
    assert all(layer.name in text for layer in flow.encoder.layers[1:])
    trained = sum(np.prod(w.shape) for w in flow.trainable_weights)
    assert f"{trained:,}" in text and trained < flow.count_params()


def test_encoders_other_than_functional_models_of_one_input_are_refused():
    a, b = keras.Input((2,)), keras.Input((2,))
    two = keras.Model([a, b], layers.Concat()([a, b]))
    for encoder in (layers.Scale(), two, keras.Model(a, layers.Split()(a))):
        with pytest.raises(ValueError, match="Received"):
            Flow(encoder)


@pytest.mark.parametrize("call", ["fit", "adapt", "log_prob", "bits_per_dim", "encode", "evaluate"])
def test_a_flow_of_integers_refuses_floats(call):
    flow = pixel_flow()
    flow.compile("sgd")
    with pytest.raises(ValueError, match="integers"):
        getattr(flow, call)(np.random.default_rng(0).uniform(size=(8, 2)).astype("float32"))


def test_messages_say_what_was_received():
    flow = vector_flow()
    for call in (
        lambda: flow.sample(0),
        lambda: flow.sample(2, temperature=-1.0),
        lambda: flow.interpolate(vectors(2)[0], vectors(3), 4),
        lambda: flow.interpolate(vectors(2), vectors(2), 1),
        lambda: flow.bits_per_dim(vectors(2)),
        lambda: flow.fit(iter(())),
    ):
        with pytest.raises(ValueError, match="Received"):
            call()


def rescaled(x):
    return layers.Scale()(keras.layers.Rescaling(1 / 255)(x))


def half_dropped(x):
    return layers.Scale()(layers.Split()(x)[0])


def half_doubled(x):
    a, b = layers.Split()(x)
    return layers.Concat()([a, a, b])


def scale_in_a_network(x):
    a, b = layers.Split()(x)
    shift = keras.Sequential([layers.Actnorm(), keras.layers.Dense(2)])(a)
    return layers.Concat()(layers.AddCouple()([a, b, shift]))


@pytest.mark.parametrize("graph", [rescaled, half_dropped, half_doubled, scale_in_a_network])
def test_encoders_without_a_density_are_refused(graph):
    x = keras.Input((4,))
    with pytest.raises(ValueError, match="Received"):
        Flow(keras.Model(x, graph(x)))


def test_log_dets_inside_a_coupling_network_do_not_count():
    x = keras.Input((4,))
    net = keras.Sequential([layers.Scale("ones"), keras.layers.Dense(2)])
    flow, data = Flow(keras.Model(x, layers.Coupling(net)(x))), vectors(8)
    z = flow.encode(data)
    expected = -0.5 * (z**2 + np.log(2 * np.pi)).sum(-1)
    np.testing.assert_allclose(flow.log_prob(data), expected, rtol=1e-5)


def test_a_float_input_before_dequantize_is_refused():
    x = keras.Input((4,))
    with pytest.raises(ValueError, match="uint8.*Received"):
        Flow(keras.Model(x, layers.Dequantize(256)(x)))


def test_sample_weights_work_without_y():
    flow, x, weights = vector_flow(), vectors(32), np.zeros(32, "float32")
    flow.adapt(x)
    flow.compile("sgd")
    weights[:4] = 1
    expected = -(flow.log_prob(x) * weights).mean()
    loss = flow.evaluate(x, sample_weight=weights, batch_size=32, verbose=0)
    assert loss == pytest.approx(expected, rel=1e-4)


def test_a_flow_trains_in_float64(float64):
    flow = vector_flow()
    trained(flow, vectors(32).astype("float64"), epochs=1)
    assert np.all(np.isfinite(flow.log_prob(vectors(4).astype("float64"))))


def test_a_coupling_takes_a_network_without_shape_methods():
    class Net(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(2, activation="tanh")

        def call(self, x):
            return self.dense(x)

    x = keras.Input((4,))
    flow = Flow(keras.Model(x, layers.Coupling(Net())(x)))
    perturb(flow)
    np.testing.assert_allclose(flow.reconstruct(vectors(8)), vectors(8), atol=1e-5)
    assert len(flow.trainable_variables) == 2
