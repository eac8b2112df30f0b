"""`invert` on graphs: several inputs, conditions, shared and nested parts, and what blocks."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import invert, layers
from keras_flows.core.ledger import Ledger
from tests.layers import normal
from tests.nets import net
from tests.numeric import array, arrays, flat, pack, perturb


def draw(shapes, batch=3, seed=0):
    rng = np.random.default_rng(seed)
    return [normal(rng, (batch, *shape)) for shape in shapes]


def run(model, inputs):
    """Outputs as arrays and the log-det of the whole model."""
    with Ledger() as ledger:
        outputs = model(pack([ops.convert_to_tensor(x) for x in inputs]))
    return arrays(outputs), array(ledger.total())


def check_inverse(model, conditions=0, batch=3):
    """Data come back, log-dets cancel, and so it is for the inverse of the inverse."""
    perturb(model)
    x = draw([t.shape[1:] for t in model.inputs], batch)
    data, given = x[: len(x) - conditions], x[len(x) - conditions :]
    inverse = invert(model)
    z, there = run(model, x)
    back, log_det = run(inverse, z + given)
    assert len(back) == len(data)
    for value, expected in zip(back, data):
        np.testing.assert_allclose(value, expected, atol=1e-4)
    np.testing.assert_allclose(there + log_det, 0, atol=1e-3)
    again = run(invert(inverse), back + given)[0]
    for value, expected in zip(again, z):
        np.testing.assert_allclose(value, expected, atol=1e-4)
    return inverse


def couple(x, network, flip=False):
    a, b = layers.SplitVector()(layers.Shuffle()(x) if flip else x)
    return layers.ConcatVector()(layers.AddCouple()([a, b, network(a)]))


def test_chain_of_couplings():
    x = keras.Input((6,))
    h = x
    for _ in range(3):
        h = couple(h, net(3), flip=True)
    check_inverse(keras.Model(x, layers.Scale()(h)))


def test_coupling_network_shared_by_several_couplings():
    x, network = keras.Input((6,)), net(3)
    h = couple(couple(couple(x, network), network, flip=True), network, flip=True)
    check_inverse(keras.Model(x, layers.Actnorm()(h)))


def test_a_layer_used_twice():
    x, scale, mix = keras.Input((4,)), layers.Scale(), layers.InvConv()
    model = keras.Model(x, scale(mix(layers.Shuffle()(mix(scale(x))))))
    inverse = check_inverse(model)
    assert {id(w) for w in inverse.weights} == {id(w) for w in model.weights}


def test_a_layer_used_twice_counts_its_log_det_twice():
    x, scale = keras.Input((4,)), layers.Scale()
    once, twice = keras.Model(x, scale(x)), keras.Model(x, scale(layers.Shuffle()(scale(x))))
    scale.kernel.assign([[0.1, 0.2, 0.3, 0.4]])
    data = draw([(4,)])
    np.testing.assert_allclose(run(once, data)[1], 1.0, atol=1e-6)
    np.testing.assert_allclose(run(twice, data)[1], 2.0, atol=1e-6)


def test_several_inputs_and_outputs():
    a, b = keras.Input((4,)), keras.Input((2,))
    h = layers.InvConv()(layers.Concat()([a, b]))
    out, kept, more = layers.Split([1, 3, 2])(layers.Actnorm()(h))
    check_inverse(keras.Model([a, b], [out, layers.Logit().inverse()(kept), more]))


def test_an_output_that_is_a_passed_through_input():
    a, b = keras.Input((4,)), keras.Input((2,))
    check_inverse(keras.Model([a, b], layers.AddCouple()([a, b, net(2)(a)])))


def test_a_condition_is_an_input_of_the_inverse():
    x, label = keras.Input((4,), name="x"), keras.Input((3,), name="label")
    context = keras.layers.Dense(5, activation="relu")(label)
    z = layers.InvConv()(layers.CondActnorm()([x, context]))
    inverse = check_inverse(keras.Model([x, label], z), conditions=1)
    assert [t.shape for t in inverse.inputs] == [(None, 4), (None, 3)]


def test_network_that_sees_data_and_condition():
    x, label = keras.Input((4,)), keras.Input((3,))
    a, b = layers.Split()(x)
    shift = net(2)(keras.layers.Concatenate()([a, label]))
    z = layers.Concat()(layers.AddCouple()([a, b, shift]))
    check_inverse(keras.Model([x, label], z), conditions=1)


def block(size, name):
    x = keras.Input((size,))
    return keras.Model(x, layers.Actnorm()(couple(x, net(size // 2))), name=name)


def test_nested_functional_models_and_sequential():
    x = keras.Input((4,))
    chain = keras.Sequential([keras.Input((4,)), layers.InvConv(), layers.Shuffle("random")])
    h = block(4, "second")(chain(block(4, "first")(x)))
    check_inverse(keras.Model(x, h))


def test_nested_model_used_twice():
    x, inner = keras.Input((4,)), block(4, "inner")
    check_inverse(keras.Model(x, inner(layers.Shuffle()(inner(x)))))


def test_nested_model_with_condition():
    x, label = keras.Input((4,)), keras.Input((3,))
    inner = keras.Model([x, label], layers.CondActnorm()([x, label]), name="inner")
    y, context = keras.Input((4,)), keras.Input((3,))
    z = layers.Shuffle()(inner([layers.Scale()(y), context]))
    check_inverse(keras.Model([y, context], z), conditions=1)


def test_sequential_alone():
    check_inverse(
        keras.Sequential(
            [keras.Input((4, 4, 3)), layers.Squeeze(), layers.InvConv(), layers.Scale()]
        )
    )


def multi_scale():
    """Two scales of a small Glow: what is split off gets a prior conditioned on what is kept."""
    x = keras.Input((4, 4, 2))
    h = layers.InvConv()(layers.Actnorm()(layers.Squeeze()(x)))
    h = layers.Coupling(net(4), split="halves")(h)
    kept, out = layers.Split()(h)
    out = layers.CondActnorm()([out, kept])
    top = layers.InvConv()(layers.Squeeze()(kept))
    z = layers.Concat()([layers.Reshape((16,))(out), layers.Reshape((16,))(top)])
    return keras.Model(x, z)


@pytest.mark.parametrize("batch", [1, 3])
def test_multi_scale(batch):
    model = multi_scale()
    inverse = check_inverse(model, batch=batch)
    assert model.output_shape == (None, 32) and inverse.output_shape == (None, 4, 4, 2)


def test_multi_scale_saves_both_ways(tmp_path):
    model = perturb(multi_scale())
    x = draw([(4, 4, 2)])
    z = run(model, x)[0]
    for direction, data in ((model, x), (invert(model), z)):
        direction.save(tmp_path / "m.keras")
        again = keras.saving.load_model(tmp_path / "m.keras")
        np.testing.assert_allclose(run(again, data)[0][0], run(direction, data)[0][0], atol=1e-5)
        np.testing.assert_allclose(run(again, data)[1], run(direction, data)[1], atol=1e-5)


def test_predict_of_the_inverse():
    model = perturb(multi_scale())
    x = draw([(4, 4, 2)], batch=5)[0]
    z = model.predict(x, batch_size=2, verbose=0)
    np.testing.assert_allclose(invert(model).predict(z, batch_size=3, verbose=0), x, atol=1e-4)


def test_weights_are_shared_with_the_inverse():
    model = multi_scale()
    inverse = invert(model)
    perturb(model)
    x = draw([(4, 4, 2)])
    np.testing.assert_allclose(run(inverse, run(model, x)[0])[0][0], x[0], atol=1e-4)


@keras.saving.register_keras_serializable("tests")
class Fold(layers.FlowLayer):
    """A layer of one's own with a weight that changes shapes: (2n,) to (n, 2), scaled."""

    def build(self, input_shape):
        self.kernel = self.add_weight(name="kernel", shape=(2,), initializer="zeros")

    def encode(self, x):
        z = ops.reshape(x, (-1, x.shape[-1] // 2, 2)) * ops.exp(self.kernel)
        return z, z.shape[1] * ops.sum(self.kernel)

    def decode(self, z):
        x = ops.reshape(z * ops.exp(-self.kernel), (-1, 2 * z.shape[1]))
        return x, -z.shape[1] * ops.sum(self.kernel)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[1] // 2, 2)


def test_a_layer_with_weights_that_changes_shapes():
    x = keras.Input((6,))
    inverse = check_inverse(keras.Model(x, layers.Actnorm()(Fold()(layers.Scale()(x)))))
    assert inverse.output_shape == (None, 6)


def test_the_inverse_of_an_unbuilt_layer_that_changes_shapes_raises():
    for z in (np.zeros((2, 3, 2), "float32"), keras.Input((3, 2))):
        with pytest.raises(ValueError, match="layer first.*Received"):
            Fold().inverse()(z)


def dense_on_the_way(x):
    return keras.layers.Dense(4, name="culprit")(layers.Scale()(x))


def dropped_half(x):
    return layers.SplitVector(name="culprit")(x)[0]


def sum_of_halves(x):
    return keras.layers.Add(name="culprit")(layers.SplitVector()(x))


def shift_from_the_changed_half(x):
    a, b = layers.Split()(x)
    a, b = layers.AddCouple(name="culprit")([a, b, keras.layers.Dense(2)(b)])
    return layers.Concat()([a, b])


def scale_by_itself(x):
    return layers.CondActnorm(name="culprit")([x, x])


@pytest.mark.parametrize(
    "graph",
    [
        dense_on_the_way,
        dropped_half,
        sum_of_halves,
        shift_from_the_changed_half,
        scale_by_itself,
    ],
)
def test_errors_name_the_layer_that_blocks(graph):
    x = keras.Input((4,), name="data")
    with pytest.raises(ValueError, match="(?s)'data'.*'culprit'.*Received"):
        invert(keras.Model(x, graph(x)))


KERAS_LAYERS = {
    "Standardize": lambda x: keras.layers.Normalization(mean=[0.0] * 4, variance=[1.0] * 4)(x),
    "Rescale": lambda x: keras.layers.Rescaling(1 / 255)(x),
    "Rescale of an operation": lambda x: x / 255,
    "Reshape": lambda x: keras.layers.Reshape((4,))(keras.layers.Flatten()(x)),
    "Reshape of an operation": lambda x: ops.reshape(x, (-1, 4)),
    "BatchNormFlow": lambda x: keras.layers.BatchNormalization()(x),
    "Concat": lambda x: keras.layers.Concatenate()(layers.Split()(x)),
    "InvDense": lambda x: keras.layers.Dense(4)(x),
    "GaussianNoise": lambda x: keras.layers.GaussianNoise(0.1)(x),
}


@pytest.mark.parametrize("name", KERAS_LAYERS)
def test_errors_name_the_flow_layer_to_use_instead_of_a_keras_layer(name):
    x = keras.Input((4,))
    instead = name.split()[0]
    with pytest.raises(ValueError, match=f"has no inverse; use keras_flows.layers.{instead}"):
        invert(keras.Model(x, KERAS_LAYERS[name](x)))
    assert hasattr(layers, instead)


def test_models_without_a_graph_are_refused():
    class Plain(keras.Model):
        def call(self, x):
            return x

    for model in (Plain(), keras.Sequential([layers.Scale()])):
        with pytest.raises(ValueError, match="functional.*Received"):
            invert(model)


def test_name_and_output_order():
    x = keras.Input((4,))
    model = keras.Model(x, layers.SplitVector()(x), name="halves")
    assert invert(model).name == "halves_inverse" and invert(model, "back").name == "back"
    assert len(flat(invert(model).inputs)) == 2


def test_nested_model_whose_condition_comes_first():
    x, c, a = keras.Input((4,)), keras.Input((2,)), keras.Input((2,))
    inner = keras.Model([c, a], layers.CondActnorm()([a, c]), name="inner")
    p, q = layers.Split()(x)
    check_inverse(keras.Model(x, layers.Concat()([p, inner([p, q])])))
