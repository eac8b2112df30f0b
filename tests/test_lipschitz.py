"""Layers of bounded norm: what power iteration finds, what `bound` certifies, what is saved."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import networks
from keras_flows.core import lipschitz
from keras_flows.networks import norms
from tests.numeric import array, arrays

SHAPES = [((3, 5), 3), ((4, 4), 2), ((2, 3), 5), ((3, 3), 1), ((6, 5), 4)]


def matrix_of(function, shape):
    """The matrix of a linear map of pictures."""
    basis = np.eye(np.prod(shape)).reshape(-1, *shape)
    return function(basis).reshape(len(basis), -1)


def conv(sides, size, channels=2, filters=3, **options):
    layer = networks.LipschitzConv2D(filters, size, **options)
    layer.build((None, *sides, channels))
    rng = np.random.default_rng(size)
    layer.kernel.assign(rng.normal(size=layer.kernel.shape))
    return layer


def effective(layer, shape):
    return matrix_of(lambda x: array(layer(x) - ops.convert_to_tensor(layer.bias)), shape)


@pytest.mark.parametrize("sides,size", SHAPES)
def test_the_certificate_lies_above_the_matrix_norm_and_power_iteration_below(sides, size, float64):
    layer = conv(sides, size)
    kernel = array(layer.kernel)
    true = np.linalg.norm(
        matrix_of(lambda x: np.stack([norms.convolve(v, kernel) for v in x]), (*sides, 2)), 2
    )
    norm = norms.conv_norm(kernel, np.ones((*sides, 2)))[0]
    assert 0.99 * true < norm <= true * (1 + 1e-9)
    assert true * (1 - 1e-9) <= norms.conv_bound(kernel, sides) < 3 * true


@pytest.mark.parametrize("sides,size", SHAPES)
def test_a_convolutions_norm_is_held(sides, size, float64):
    layer = conv(sides, size, coefficient=0.7)
    layer.refresh()
    matrix = effective(layer, (*sides, 2))
    norm = np.linalg.norm(matrix, 2)
    assert norm == pytest.approx(0.7, rel=0.02) and norm <= layer.bound()
    # The same map in NumPy, and its transpose.
    kernel = array(
        layer.prepare(
            "call", *(ops.convert_to_tensor(w) for w in (layer.kernel, layer.left, layer.right))
        )
    )
    x, y = np.random.default_rng(0).normal(size=(2, *sides, 3))
    np.testing.assert_allclose(
        matrix_of(lambda v: np.stack([norms.convolve(u, kernel) for u in v]), (*sides, 2)),
        matrix,
        atol=1e-6,
    )
    assert np.sum(norms.convolve(x[..., :2], kernel) * y) == pytest.approx(
        np.sum(x[..., :2] * norms.adjoint(y, kernel))
    )


@pytest.mark.parametrize(
    "make", [lambda: networks.LipschitzDense(4, 0.8), lambda: conv((4, 3), 3, coefficient=0.8)]
)
def test_iteration_in_training_approaches_what_refresh_finds(make, float64):
    layer = make()
    if not layer.built:
        layer.build((None, 5))
        layer.kernel.assign(3 * array(layer.kernel))
    for _ in range(100):
        layer.iterate()
    iterated = layer.bound()
    layer.refresh()
    assert not layer.is_stale()
    assert iterated == pytest.approx(layer.bound(), rel=1e-3)
    layer.kernel.assign(2 * array(layer.kernel))
    assert layer.is_stale()


def test_a_dense_certificate_is_exact_and_small_kernels_stay_as_they_are(float64):
    layer = networks.LipschitzDense(3, 0.9)
    layer.build((None, 5))
    layer.kernel.assign(np.random.default_rng(0).normal(size=(5, 3)))
    layer.refresh()
    assert np.linalg.norm(effective(layer, (5,)), 2) == pytest.approx(0.9, rel=1e-6)
    assert layer.bound() == pytest.approx(0.9, rel=1e-5)
    layer.kernel.assign(0.01 * array(layer.kernel))
    layer.refresh()
    np.testing.assert_allclose(effective(layer, (5,)), array(layer.kernel), rtol=1e-7)


def test_a_zero_kernel_keeps_its_vectors():
    layer = networks.LipschitzDense(3)
    layer.build((None, 5))
    layer.kernel.assign(np.zeros((5, 3)))
    layer.iterate()
    assert all(
        np.linalg.norm(v) == pytest.approx(1, abs=1e-5) for v in arrays([layer.left, layer.right])
    )


NETS = {
    "mlp": (lambda: networks.LipschitzMLP((8, 8), 0.9), (4,)),
    "elu": (lambda: networks.LipschitzMLP((8,), 0.59, "elu", first_activation=True), (4,)),
    "dense blocks": (lambda: networks.LipschitzMLP((6, 5), 0.9, "sin", concatenate=True), (4,)),
    "convolutions": (lambda: networks.LipschitzConvNet((5, 5), (3, 1, 3), 0.9), (3, 4, 2)),
    "conv blocks": (
        lambda: networks.LipschitzConvNet((4,), (3, 3), 0.8, concatenate=True),
        (3, 4, 2),
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_a_networks_slopes_are_below_its_certificate(name, float64):
    make, shape = NETS[name]
    net = make()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, *shape))
    net(x)
    for weight in net.trainable_variables:
        weight.assign(array(weight) + 0.5 * rng.normal(size=weight.shape))
    lipschitz.refresh(net)
    bound = net.bound()
    most = 0.01 if "conv" not in name else 0.4  # by which the FFT exceeds a norm on few pixels
    assert net.lipschitz * 0.8 < bound < net.lipschitz + most
    assert lipschitz.bound(keras.Sequential([net, networks.LipSwish()])) == bound
    y = array(net(x))
    near = x + 1e-4 * rng.normal(size=x.shape)
    for other, value in ((near, array(net(near))), (x[::-1], y[::-1])):
        slopes = [
            np.linalg.norm((b - a).reshape(len(x), -1), axis=1) for a, b in ((x, other), (y, value))
        ]
        assert np.max(slopes[1] / np.maximum(slopes[0], 1e-12)) <= bound


def test_a_context_moves_a_network_and_its_bound_is_one_in_x():
    net = networks.LipschitzMLP((8,), 0.9)
    x, context = np.ones((2, 3), "float32"), np.float32([[1, 2], [-3, 0]])
    y = array(net([x, context]))
    assert not np.allclose(y[0], y[1]) and net.bound() <= 0.9001


def test_vectors_are_saved_and_normalised_once(tmp_path):
    net = networks.LipschitzConvNet((4,), (3, 3), 0.8)
    x = np.random.default_rng(0).normal(size=(2, 3, 3, 2)).astype("float32")
    model = keras.Sequential([keras.Input((3, 3, 2)), net])
    lipschitz.refresh(net)
    y = array(model(x))
    model.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras")
    np.testing.assert_allclose(array(again(x)), y, atol=1e-6)
    assert again.layers[-1].bound() == pytest.approx(net.bound())
    with lipschitz.normalized_once(net):
        net.affine[0].left.assign(0 * array(net.affine[0].left))  # is not looked at inside
        np.testing.assert_allclose(array(model(x)), y, atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: networks.LipschitzDense(0),
        lambda: networks.LipschitzDense(3, 1.5),
        lambda: networks.LipschitzConv2D(3, 0),
        lambda: networks.LipschitzConv2D(3).build((None, None, 4, 1)),
        lambda: networks.LipschitzMLP(()),
        lambda: networks.LipschitzMLP((4,), 1.0),
        lambda: networks.LipschitzMLP((4,), activation="relu"),
        lambda: networks.LipschitzConvNet((4,), (3,)),
    ],
)
def test_options_that_cannot_work_are_refused(make):
    with pytest.raises(ValueError, match="Received"):
        make()
