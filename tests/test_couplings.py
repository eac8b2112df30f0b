"""Affine and checkerboard couplings by formula: what moves, and what their networks are given."""

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
    """x2 as an affine coupling moves it, and the logarithms of its scales."""
    shift, raw = np.split(params, 2, axis=-1)
    if scale == "sigmoid":
        log_scale = -np.log1p(np.exp(-raw - 2))
    else:
        log_scale = array(layer.bound) * np.tanh(raw) if scale == "tanh" else raw
    return (x2 - shift) * np.exp(log_scale), log_scale


def spy(function):
    """A network that keeps what it is given."""
    seen = []
    return keras.layers.Lambda(lambda x: (seen.append(x), function(x))[1]), seen


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("split,flip,fixed,other", PARTS)
def test_an_affine_coupling_is_its_formula(scale, split, flip, fixed, other):
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
def test_a_checkerboard_coupling_is_its_formula(scale, flip):
    """Cell by cell, where the width is even: each colour is gathered row by row."""
    x, network = draw(2, 3, 4, 2), net(4)
    layer = layers.CheckerboardCouple(network, flip=flip, scale=scale)
    layer(x)
    (z,), log_det = encode(perturb(layer), [x])
    rows = range(3)
    given = np.stack([x[:, r, (r + flip) % 2 :: 2] for r in rows], axis=1)
    other = np.stack([x[:, r, (r + 1 + flip) % 2 :: 2] for r in rows], axis=1)
    sign = np.broadcast_to(np.array([1.0, -1, 1])[:, None, None], (2, 3, 2, 1))
    params = array(network(np.concatenate([given, sign.astype("float32")], axis=-1)))
    z2, log_scale = moved(layer, scale, other, params)
    for r in rows:
        np.testing.assert_array_equal(z[:, r, (r + flip) % 2 :: 2], given[:, r])
        np.testing.assert_allclose(z[:, r, (r + 1 + flip) % 2 :: 2], z2[:, r], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(log_det, log_scale.sum((1, 2, 3)), rtol=1e-4)


@pytest.mark.parametrize("shape", SIDES)
@pytest.mark.parametrize("flip", [False, True])
def test_a_checkerboard_moves_one_colour_whether_it_gathers_or_masks(shape, flip):
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


@pytest.mark.parametrize("width,given", [(6, 3), (5, 5)])
def test_the_network_gets_half_the_width_where_it_is_gathered(width, given):
    network, seen = spy(lambda x: x[..., :-1])
    x = draw(2, 3, width, 2)
    layer = layers.CheckerboardCouple(network, "additive")
    layer(x)
    seen.clear()
    layer(x)
    assert [v.shape for v in seen] == [(2, 3, given, 3)]
    if width == 5:  # the cells that move are hidden from it
        hidden = array(seen[0])[..., :-1]
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
    network, seen = spy(lambda x: ops.concatenate([x[..., :2], x[..., :2]], axis=-1))
    layer, x = make(network), draw(2, *shape)
    z = layer(x)
    seen.clear()
    layer(x)
    assert len(seen) == 1
    layer.inverse()(z)
    assert len(seen) == 2


def zero_net(outputs):
    return keras.layers.Dense(outputs, kernel_initializer="zeros")


@pytest.mark.parametrize("name", COUPLINGS)
@pytest.mark.parametrize("scale", SCALES)
def test_a_network_that_is_zero_gives_the_identity_or_with_sigmoid_088(name, scale):
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
def test_an_additive_coupling_by_zero_is_the_identity(name):
    make, shape = COUPLINGS[name]
    x, options = draw(2, *shape), {"split": "halves"} if make is halves else {}
    kind = layers.Coupling if make is halves else make
    layer = kind(zero_net(2), "additive", **options)
    np.testing.assert_array_equal(array(layer(x)), x)
    assert layer.volume_preserving and layer.encode(ops.convert_to_tensor(x))[1] is None


def test_a_context_goes_to_the_network_beside_the_part_that_stays():
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


def test_the_scale_of_tanh_is_bounded_by_a_learned_weight_a_channel():
    layer = layers.CheckerboardCouple(keras.layers.Dense(4, bias_initializer="ones"))
    x = 1e4 * draw(2, 4, 4, 2)
    layer(x)
    assert layer.bound.shape == (2,) and layer.bound.trainable
    layer.bound.assign([0.5, 0.25])
    log_det = encode(layer, [x])[1]
    assert np.all(np.abs(log_det) <= 8 * 0.75 + 1e-4)
    assert "bound" not in [w.name for w in layers.Coupling(net(2)).weights]


def test_one_channel_leaves_a_coupling_of_channels_nothing_to_move():
    with pytest.raises(ValueError, match="two positions.*Received.*4, 4, 1"):
        layers.Coupling(net(1))(draw(2, 4, 4, 1))


def test_a_network_that_takes_no_context_is_named():
    with pytest.raises(ValueError, match="'blue'.*1 contexts.*Received"):
        layers.Coupling(keras.Sequential([keras.Input((3,)), zero_net(2)]), name="blue")(
            [draw(2, 5), draw(2, 2)]
        )
