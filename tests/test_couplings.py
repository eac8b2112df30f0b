"""Affine and checkerboard couplings: their formulas, and the inputs of their networks."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import layers
from keras_flows.core.ledger import Ledger
from tests.layers import normal
from tests.nets import net, net_of_two
from tests.numeric import array, encode, perturb

SCALES = ["sigmoid", "tanh", "exp"]
SIDES = [(3, 4, 2), (2, 5, 1), (4, 1, 2), (1, 2, 1), (2, 1, 3)]
PARTS = [
    ("interleaved", False, slice(0, 5, 2), slice(1, 5, 2)),
    ("interleaved", True, slice(1, 5, 2), slice(0, 5, 2)),
    ("halves", False, slice(0, 3), slice(3, 5)),
    ("halves", True, slice(3, 5), slice(0, 3)),
]


def draw(*shape):
    return normal(np.random.default_rng(0), shape)


def moved(layer, scale, x2, params):
    """The result of an affine coupling for x2, and the logarithms of its scales."""
    shift, raw = np.split(params, 2, axis=-1)
    if scale == "sigmoid":
        log_scale = -np.log1p(np.exp(-raw - 2))
    else:
        log_scale = array(layer.bound) * np.tanh(raw) if scale == "tanh" else raw
    return (x2 - shift) * np.exp(log_scale), log_scale


def spy(function):
    """A network that records its inputs."""
    inputs = []
    return keras.layers.Lambda(lambda x: (inputs.append(x), function(x))[1]), inputs


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("split,flip,fixed,other", PARTS)
def test_an_affine_coupling_follows_its_formula(scale, split, flip, fixed, other):
    x = draw(3, 5)
    network = net(2 * x[:, other].shape[1])
    layer = layers.Coupling(network, "affine", split, flip, scale)
    layer(x)
    (z,), log_det = encode(perturb(layer), [x])
    params = array(network(ops.convert_to_tensor(x[:, fixed])))
    z2, log_scale = moved(layer, scale, x[:, other], params)
    np.testing.assert_array_equal(z[:, fixed], x[:, fixed])
    np.testing.assert_allclose(z[:, other], z2, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(log_det, log_scale.sum(-1), rtol=1e-4, atol=1e-6)


def cells(shape, flip):
    """Where a checkerboard coupling moves: odd cells, or even ones where it is flipped."""
    return np.indices(shape[:2]).sum(0) % 2 == (0 if flip else 1)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("flip", [False, True])
def test_a_checkerboard_coupling_follows_its_formula(scale, flip):
    """For an even width, where each colour is gathered row by row."""
    x, network = draw(2, 3, 4, 2), net(4)
    layer = layers.CheckerboardCouple(network, flip=flip, scale=scale)
    layer(x)
    (z,), log_det = encode(perturb(layer), [x])
    rows = range(3)
    fixed = np.stack([x[:, r, (r + flip) % 2 :: 2] for r in rows], axis=1)
    other = np.stack([x[:, r, (r + 1 + flip) % 2 :: 2] for r in rows], axis=1)
    sign = np.broadcast_to(np.array([1.0, -1, 1])[:, None, None], (2, 3, 2, 1))
    params = array(network(np.concatenate([fixed, sign.astype("float32")], axis=-1)))
    z2, log_scale = moved(layer, scale, other, params)
    for r in rows:
        np.testing.assert_array_equal(z[:, r, (r + flip) % 2 :: 2], fixed[:, r])
        np.testing.assert_allclose(z[:, r, (r + 1 + flip) % 2 :: 2], z2[:, r], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(log_det, log_scale.sum((1, 2, 3)), rtol=1e-4)


@pytest.mark.parametrize("shape", SIDES)
@pytest.mark.parametrize("flip", [False, True])
def test_a_checkerboard_moves_one_colour_for_even_and_odd_widths(shape, flip):
    moves, x = cells(shape, flip)[..., None], draw(2, *shape)
    ones = keras.layers.Lambda(lambda x: ops.ones_like(x[..., :-1]))
    z = array(layers.CheckerboardCouple(ones, "additive", flip)(x))
    np.testing.assert_allclose(z, x - moves, atol=1e-6)
    log_2 = keras.layers.Lambda(lambda x: ops.repeat(x[..., :-1] * 0, 2, axis=-1) + np.log(2))
    layer = layers.CheckerboardCouple(log_2, flip=flip, scale="exp")
    layer(x)
    (z,), log_det = encode(layer, [x])
    np.testing.assert_allclose(z, np.where(moves, 2 * (x - np.log(2)), x), rtol=1e-5)
    np.testing.assert_allclose(log_det, moves.sum() * shape[-1] * np.log(2), rtol=1e-5)


@pytest.mark.parametrize("width,net_width", [(6, 3), (5, 5)])
def test_the_network_gets_half_of_an_even_width(width, net_width):
    network, inputs = spy(lambda x: x[..., :-1])
    x = draw(2, 3, width, 2)
    layer = layers.CheckerboardCouple(network, "additive")
    layer(x)
    inputs.clear()
    layer(x)
    assert [v.shape for v in inputs] == [(2, 3, net_width, 3)]
    if width == 5:  # the network does not see the cells that move
        hidden = array(inputs[0])[..., :-1]
        np.testing.assert_array_equal(hidden, np.where(cells((3, 5), False)[..., None], 0, x))


def halves(network, **options):
    return layers.Coupling(network, "affine", split="halves", **options)


COUPLINGS = {
    "halves": (halves, (4,)),
    "gathered": (layers.CheckerboardCouple, (4, 4, 2)),
    "masked": (layers.CheckerboardCouple, (4, 3, 2)),
}


@pytest.mark.parametrize("name", COUPLINGS)
def test_each_direction_costs_one_evaluation_of_the_network(name):
    make, shape = COUPLINGS[name]
    network, inputs = spy(lambda x: ops.concatenate([x[..., :2], x[..., :2]], axis=-1))
    layer, x = make(network), draw(2, *shape)
    z = layer(x)
    inputs.clear()
    layer(x)
    assert len(inputs) == 1
    layer.inverse()(z)
    assert len(inputs) == 2


def zero_net(outputs):
    return keras.layers.Dense(outputs, kernel_initializer="zeros")


@pytest.mark.parametrize("name", COUPLINGS)
@pytest.mark.parametrize("scale", SCALES)
def test_a_zero_network_gives_the_identity_or_with_sigmoid_a_scale_of_088(name, scale):
    make, shape = COUPLINGS[name]
    x = draw(2, *shape)
    layer = make(zero_net(4), scale=scale)
    layer(x)
    (z,), log_det = encode(layer, [x])
    if scale != "sigmoid":
        np.testing.assert_array_equal(z, x)
        np.testing.assert_array_equal(log_det, 0)
        return
    count, factor = x[0].size // 2, 1 / (1 + np.exp(-2))
    close = [np.isclose(z, x * f, rtol=1e-5).sum() for f in (1, factor)]
    assert close == [2 * count, 2 * count] and factor == pytest.approx(0.88, abs=1e-3)
    np.testing.assert_allclose(log_det, count * np.log(factor), rtol=1e-5)


@pytest.mark.parametrize("name", COUPLINGS)
def test_an_additive_coupling_with_a_zero_network_is_the_identity(name):
    make, shape = COUPLINGS[name]
    x, options = draw(2, *shape), {"split": "halves"} if make is halves else {}
    kind = layers.Coupling if make is halves else make
    layer = kind(zero_net(2), "additive", **options)
    np.testing.assert_array_equal(array(layer(x)), x)
    assert layer.volume_preserving and layer.encode(ops.convert_to_tensor(x))[1] is None


def test_the_network_gets_the_context_and_the_part_that_stays():
    x, context, network = draw(3, 5), draw(3, 2) + 1, net_of_two((3,), (2,), 4)
    layer = layers.Coupling(network, "affine", scale="exp")
    layer([x, context])
    assert layer.conditions == 1 and layer.inverse().conditions == 1
    (z,), log_det = encode(layer, [x, context])
    params = array(network([x[:, ::2], context]))
    z2, log_scale = moved(layer, "exp", x[:, 1::2], params)
    np.testing.assert_allclose(z[:, 1::2], z2, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(log_det, log_scale.sum(-1), rtol=1e-4)
    assert np.abs(z - encode(layer, [x, context + 1])[0][0]).max() > 0.01


def test_a_coupling_takes_several_contexts():
    network = keras.layers.Lambda(lambda parts: parts[1] * parts[2] + 0 * parts[0])
    layer = layers.Coupling(network, split="halves")
    x, a, b = draw(3, 4), draw(3, 2) + 1, draw(3, 2) + 2
    z = array(layer([x, a, b]))
    np.testing.assert_allclose(z[:, 2:], x[:, 2:] - a * b, rtol=1e-5)
    np.testing.assert_allclose(array(layer.inverse()([z, a, b])), x, rtol=1e-5)


@pytest.mark.parametrize("name", COUPLINGS)
def test_log_dets_of_layers_inside_a_network_are_not_counted(name):
    make, shape = COUPLINGS[name]
    network = keras.Sequential([layers.Scale("ones"), layers.Actnorm(), zero_net(4)])
    layer, x = make(network, scale="exp"), draw(2, *shape)
    layer(x)
    with Ledger() as ledger:
        layer(x)
    assert len(ledger.entries) == 1 and not np.any(array(ledger.total()))
    model = keras.Sequential([keras.Input(shape), layer])
    model(x)
    assert [float(array(loss)) for loss in model.losses] == [0.0]


def test_the_tanh_scale_is_bounded_by_one_learned_weight_for_each_channel():
    layer = layers.CheckerboardCouple(keras.layers.Dense(4, bias_initializer="ones"))
    x = 1e4 * draw(2, 4, 4, 2)
    layer(x)
    assert layer.bound.shape == (2,) and layer.bound.trainable
    layer.bound.assign([0.5, 0.25])
    log_det = encode(layer, [x])[1]
    assert np.all(np.abs(log_det) <= 8 * 0.75 + 1e-4)
    assert "bound" not in [w.name for w in layers.Coupling(net(2)).weights]


def test_a_coupling_of_channels_refuses_a_single_channel():
    with pytest.raises(ValueError, match="two positions.*Received.*4, 4, 1"):
        layers.Coupling(net(1))(draw(2, 4, 4, 1))


def test_the_message_names_a_network_that_takes_no_context():
    with pytest.raises(ValueError, match="'blue'.*1 contexts.*Received"):
        layers.Coupling(keras.Sequential([keras.Input((3,)), zero_net(2)]), name="blue")(
            [draw(2, 5), draw(2, 2)]
        )
