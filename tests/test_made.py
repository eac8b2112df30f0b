"""MADE: which inputs each output depends on, and the loop that inverts autoregressive maps."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import Flow, layers
from keras_flows.networks import MADE
from tests.nets import autoregressive
from tests.numeric import array, gradient, perturb

DIMS = 5
NETS = {
    "natural": {"order": "natural"},
    "reversed": {"order": "reversed"},
    "random": {"order": "random", "seed": 3},
    "listed": {"order": [2, 0, 4, 1, 3]},
    "deep": {"order": "random", "hidden": (16, 24, 16), "seed": 1},
    "residual": {"order": "reversed", "hidden": (16,) * 5, "residual": True},
    "tanh": {"order": "natural", "activation": "tanh"},
}


def make_net(name, outputs=2, context=0):
    net = MADE(outputs, **{"hidden": (16, 16), **NETS[name]})
    x = np.zeros((1, DIMS), "float32")
    net([x, np.zeros((1, context), "float32")] if context else x)
    return perturb(net, 0.5)


def positions(net):
    """The position of each dimension in the order."""
    return np.argsort(array(net.known))


def sensitivity(net, inputs=DIMS, context=None, points=4):
    """The largest absolute derivative of output i by input j at a few points."""
    x = np.random.default_rng(0).normal(size=(points, inputs)).astype("float32")
    rows = []
    for i in range(DIMS):

        def output(v, i=i):
            return ops.sum(net(v if context is None else [context[:points], v])[:, i])

        rows.append(np.abs(gradient(output, x)).max(axis=0))
    return np.array(rows)


@pytest.mark.parametrize("name", NETS)
def test_outputs_depend_only_on_the_dimensions_before(name):
    net = make_net(name)
    position = positions(net)
    before = position[None, :] < position[:, None]
    derivatives = sensitivity(net)
    assert np.all(derivatives[~before] == 0)
    assert np.all(derivatives[before] > 1e-6)


def test_orders_follow_their_names():
    assert array(make_net("natural").known).tolist() == [0, 1, 2, 3, 4]
    assert array(make_net("reversed").known).tolist() == [4, 3, 2, 1, 0]
    assert array(make_net("listed").known).tolist() == [2, 0, 4, 1, 3]
    first, again = make_net("random"), make_net("random")
    np.testing.assert_array_equal(array(first.known), array(again.known))
    assert sorted(array(first.known)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["natural", "reversed", "residual"])
def test_every_output_depends_on_the_context_including_the_first(name):
    net = make_net(name, context=3)
    x = ops.convert_to_tensor(np.random.default_rng(1).normal(size=(4, DIMS)).astype("float32"))
    assert np.all(sensitivity(net, inputs=3, context=x) > 1e-6)


def test_a_residual_network_has_the_activation_before_every_layer_but_the_first():
    net, x = make_net("residual"), np.random.default_rng(0).normal(size=(4, DIMS)).astype("float32")
    relu = lambda h: np.maximum(h, 0)  # noqa: E731
    kernels = [array(layer.masked()) for layer in net.dense]
    biases = [array(layer.bias) for layer in net.dense]
    h = x @ kernels[0] + biases[0]
    for k in (1, 3):
        inner = relu(h) @ kernels[k] + biases[k]
        h = h + relu(inner) @ kernels[k + 1] + biases[k + 1]
    expected = relu(h) @ kernels[5] + biases[5]
    np.testing.assert_allclose(array(net(x)).reshape(4, -1), expected, rtol=1e-4, atol=1e-4)
    assert np.abs(h @ kernels[5] + biases[5] - expected).max() > 0.1


@pytest.mark.parametrize("hidden", [(2,), (3, 7), (1, 1)])
def test_fewer_units_than_dimensions_stay_autoregressive(hidden):
    net = MADE(2, hidden=hidden)
    net(np.zeros((1, DIMS), "float32"))
    perturb(net, 0.5)
    assert np.all(sensitivity(net)[np.triu_indices(DIMS)] == 0)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("context", [0, 3])
def test_sequential_agrees_with_repeated_calls(name, context):
    net, rng = make_net(name, context=context), np.random.default_rng(2)
    z = rng.normal(size=(6, DIMS)).astype("float32")
    context_values = rng.normal(size=(6, context)).astype("float32") if context else None
    x = np.zeros_like(z)
    for _ in range(DIMS):
        params = array(net([x, context_values] if context else x))
        x = z - params[..., 0]
    result, total = net.sequential(
        ops.convert_to_tensor(z),
        lambda z, params: (z - params[:, 0], params[:, 1]),
        None if context_values is None else ops.convert_to_tensor(context_values),
    )
    np.testing.assert_allclose(array(result), x, atol=1e-5)
    params = array(net([x, context_values] if context else x))
    np.testing.assert_allclose(array(total), params[..., 1].sum(axis=1), atol=1e-5)


@pytest.mark.parametrize("transform,outputs", [("affine", 2), ("spline", 23)])
def test_gradients_go_through_the_loop(transform, outputs):
    layer = autoregressive(outputs, transform)
    layer(np.zeros((1, 3), "float32"))
    perturb(layer, 0.3)
    z = np.random.default_rng(0).normal(size=(1, 3)).astype("float32").repeat(3, axis=0)
    x = array(layer.decode(ops.convert_to_tensor(z))[0])
    row = ops.eye(3)
    there = gradient(lambda v: row * layer.encode(v)[0], x)
    back = gradient(lambda v: row * layer.decode(v)[0], z)
    np.testing.assert_allclose(there @ back, np.eye(3), atol=1e-4)


def test_the_loop_is_traced_once_for_all_dimensions_and_sizes():
    dims, traced = 40, []
    layer = autoregressive(2, hidden=(16,))
    x = keras.Input((dims,))
    flow = Flow(keras.Model(x, layer(x)))
    decode = layer._decode_dimension
    layer._decode_dimension = lambda z, p: traced.append(1) or decode(z, p)
    for size in (3, 4, 5, 6):
        flow.decode(np.zeros((size, dims), "float32"))
    if keras.backend.backend() == "torch":  # torch compiles nothing
        assert len(traced) == 4 * dims
    else:
        assert len(traced) <= 8


def test_many_dimensions_invert():
    dims = 300
    layer = autoregressive(2, hidden=(64,), order="random")
    layer(np.zeros((1, dims), "float32"))
    perturb(layer, 0.05)
    x = np.random.default_rng(0).normal(size=(4, dims)).astype("float32")
    z, log_det = layer.encode(ops.convert_to_tensor(x))
    again, back = layer.decode(z)
    assert np.abs(array(z) - x).max() > 0.1
    np.testing.assert_allclose(array(again), x, atol=1e-4)
    np.testing.assert_allclose(array(log_det) + array(back), 0, atol=1e-3)


def test_an_unseeded_order_is_saved_with_the_masks(tmp_path):
    x = keras.Input((30,))
    model = keras.Model(x, MADE(2, order="random", last_initializer="glorot_uniform")(x))
    model.save(tmp_path / "made.keras")
    again = keras.models.load_model(tmp_path / "made.keras")
    data = np.random.default_rng(0).normal(size=(4, 30)).astype("float32")
    np.testing.assert_allclose(array(again(data)), array(model(data)), atol=1e-6)
    assert len(again.layers[-1].non_trainable_weights) == 1 + 3


@pytest.mark.parametrize("context", [False, True])
def test_one_dimension_works_too(context):
    layer = layers.MaskedAutoregressive(MADE(2, hidden=(4,)))
    x = np.linspace(-1, 1, 6, dtype="float32")[:, None]
    x = ops.convert_to_tensor(x)
    inputs = [x, x**2] if context else x
    layer(inputs)
    perturb(layer, 0.5)
    z, log_det = (array(v) for v in layer.encode(inputs))
    assert (np.ptp(log_det) > 1e-3) == context
    again = layer.inverse()([z, x**2] if context else z)
    np.testing.assert_allclose(array(again), array(x), atol=1e-5)


@pytest.mark.parametrize(
    "shape", [(None, None), (None, 4, 3), [(None, 4), (None, 2), (None, 2)]], ids=str
)
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="Received"):
        MADE().build(shape)


def test_a_list_that_is_not_an_order_of_the_dimensions_is_refused():
    with pytest.raises(ValueError, match=r"each of 0..3 once. Received"):
        MADE(order=[0, 1, 3]).build((None, 4))
