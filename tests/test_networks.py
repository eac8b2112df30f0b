"""Coupling networks: shapes, initial values, borders, norms and penalties, saving."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import Flow, layers
from keras_flows.core.cost import multiply_adds
from keras_flows.networks import ConvNet, EdgePad, ResidualNet, WeightNormConv2D
from keras_flows.networks.convolution import Convolution
from tests.numeric import array, perturb

NETWORKS = {
    "conv": lambda outputs: ConvNet(outputs, 6),
    "conv-actnorm": lambda outputs: ConvNet(outputs, 6, actnorm=True),
    "conv-edges": lambda outputs: ConvNet(outputs, 6, actnorm=True, edges=True),
    "residual": lambda outputs: ResidualNet(outputs, 6, 1, l2=0.1),
    "residual-0": lambda outputs: ResidualNet(outputs, 6, 0),
}
every_network = pytest.mark.parametrize("name", NETWORKS)


def pictures(*shape, seed=0):
    return np.random.default_rng(seed).normal(1, 2, size=shape).astype("float32")


@pytest.mark.parametrize("size,padding", [(1, "valid"), (3, "valid"), (3, "same")])
@pytest.mark.parametrize("inputs,outputs", [(2, 8), (8, 2), (3, 4)])
@pytest.mark.parametrize("sides", [(5, 4), (None, None)])
def test_a_convolution_is_a_sum_over_its_taps(size, padding, inputs, outputs, sides):
    conv = Convolution(outputs, size, padding=padding, activation="relu")
    x, model = pictures(2, 5, 4, inputs), keras.Sequential([keras.Input((*sides, inputs)), conv])
    perturb(model)
    pad = size // 2 if padding == "same" else 0
    around = np.pad(x, [(0, 0), (pad, pad), (pad, pad), (0, 0)])
    height, width = (side - size + 1 for side in around.shape[1:3])
    expected = array(conv.bias) + sum(
        around[:, i : i + height, j : j + width] @ array(conv.kernel)[i, j]
        for i in range(size)
        for j in range(size)
    )
    np.testing.assert_allclose(array(model(x)), np.maximum(expected, 0), rtol=1e-4, atol=1e-4)


def flow_with(name):
    x = keras.Input((4, 2, 4))
    coupling = layers.Coupling(NETWORKS[name](4), "affine", split="halves", scale="tanh")
    return Flow(keras.Model(x, coupling(x)))


def test_the_cost_of_a_coupling_counts_the_1x1_convolution():
    x = keras.Input((4, 2, 4))
    coupling = layers.Coupling(ConvNet(2, 6), split="halves")
    each = 9 * 2 * 6 + 6 * 6 + 9 * 6 * 2
    assert multiply_adds(keras.Model(x, coupling(x))) == 4 * 2 * each


@every_network
def test_only_channels_change_and_the_output_starts_at_zero(name):
    network, x = NETWORKS[name](5), pictures(2, 3, 5, 2)
    y = array(network(x))
    assert y.shape == (2, 3, 5, 5) == network.compute_output_shape(x.shape)
    assert network(keras.Input((None, None, 2))).shape == (None, None, None, 5)
    np.testing.assert_array_equal(y, 0)
    assert np.abs(array(perturb(network)(x))).max() > 0.01


@every_network
def test_a_training_step_changes_the_output(name):
    flow, x = flow_with(name), pictures(8, 4, 2, 4)
    flow.compile(keras.optimizers.SGD(0.01), run_eagerly=keras.backend.backend() == "tensorflow")
    flow.fit(x, epochs=1, verbose=0)
    assert np.abs(array(flow.encoder(x)) - x)[..., 2:].max() > 1e-3


@every_network
def test_a_saved_flow_keeps_its_network(name, tmp_path):
    flow, x = flow_with(name), pictures(8, 4, 2, 4)
    flow.adapt(x)
    for weight in perturb(flow).non_trainable_variables:  # moving averages, not flags
        if "moving" in weight.name:
            weight.assign(array(weight) + 0.1)
    flow.save(tmp_path / "flow.keras")
    again = keras.saving.load_model(tmp_path / "flow.keras")
    assert len(again.weights) == len(flow.weights) and not again.needs_adapt
    np.testing.assert_allclose(array(again.encoder(x)), array(flow.encoder(x)), atol=1e-6)
    assert again.encoder.layers[1].net.get_config() == flow.encoder.layers[1].net.get_config()


@every_network
def test_networks_run_in_bfloat16_under_a_mixed_policy_and_the_flow_does_not(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    flow, x = perturb(flow_with(name)), pictures(4, 4, 2, 4)
    coupling = flow.encoder.layers[1]
    inner = coupling.net._flatten_layers()
    convs = [v for v in inner if isinstance(v, (keras.layers.Conv2D, WeightNormConv2D))]
    assert convs and {v.compute_dtype for v in convs} == {"bfloat16"}
    assert all(w.dtype == "float32" for w in flow.trainable_variables)
    z, log_det = coupling.encode(ops.convert_to_tensor(x))
    assert {keras.backend.standardize_dtype(v.dtype) for v in (z, log_det)} == {"float32"}
    np.testing.assert_allclose(array(flow.decoder(z)), x, atol=1e-4)


@every_network
def test_a_network_keeps_the_precision_it_was_made_with(name):
    keras.config.set_dtype_policy("float64")
    network = NETWORKS[name](4)
    network.build((None, 4, 4, 2))
    config = network.get_config()
    keras.config.set_dtype_policy("float32")
    again = type(network).from_config(config)
    again.build((None, 4, 4, 2))
    assert {w.dtype for w in again.trainable_variables} == {"float64"}


def test_edge_pad_marks_the_border():
    x = pictures(2, 2, 3, 2)
    y = array(EdgePad(2)(x))
    assert y.shape == (2, 6, 7, 3) == EdgePad(2).compute_output_shape(x.shape)
    np.testing.assert_array_equal(y[:, 2:-2, 2:-2, :2], x)
    inside = np.zeros((6, 7), bool)
    inside[2:-2, 2:-2] = True
    np.testing.assert_array_equal(y[..., 2], np.broadcast_to(np.where(inside, 0, 1), (2, 6, 7)))
    assert not np.any(y[:, ~inside, :2])


def test_with_edges_the_border_of_a_black_picture_is_seen():
    spread = {}
    for edges in (True, False):
        network = ConvNet(1, 4, edges=edges)
        network.build((None, 5, 5, 1))
        last = array(perturb(network)(np.zeros((1, 5, 5, 1), "float32")))
        # The last convolution pads the outermost pixels.
        spread[edges] = np.ptp(last[0, 1:-1, 1:-1])
    assert spread[True] > 0.01 and spread[False] < 1e-6


def test_weight_norm_kernels_have_the_norm_of_their_gain():
    conv, x = WeightNormConv2D(4, 3, l2=0.5), pictures(2, 5, 5, 2)
    conv(x)
    assert array(conv(x)).shape == (2, 5, 5, 4) == conv.compute_output_shape(x.shape)
    conv.gain.assign([1.0, -2.0, 0.5, 0.0])
    conv.bias.assign([0.0, 1.0, 0.0, 3.0])
    v, gain = array(conv.v), array(conv.gain)
    dots = np.zeros((2, 5, 5, 2), "float32")
    dots[[0, 1], 2, 2, [0, 1]] = 1

    def kernel_of(conv):
        """The response to a single bright pixel is the flipped kernel."""
        response = array(conv(dots)) - array(conv.bias)
        return np.moveaxis(response[:, 3:0:-1, 3:0:-1], 0, 2)

    kernel = kernel_of(conv)
    np.testing.assert_allclose(np.sqrt((kernel**2).sum((0, 1, 2))), np.abs(gain), atol=1e-4)
    np.testing.assert_allclose(kernel, gain * v / np.sqrt((v**2).sum((0, 1, 2))), atol=1e-5)
    assert float(array(sum(conv.losses))) == pytest.approx(0.5 * (gain**2).sum())
    conv.v.assign(7 * v)
    np.testing.assert_allclose(kernel_of(conv), kernel, atol=1e-5)


def test_the_penalty_on_gains_is_part_of_the_loss_but_not_of_the_density():
    flow, x = flow_with("residual"), ops.convert_to_tensor(pictures(4, 4, 2, 4))
    perturb(flow)
    gains = [array(w) for w in flow.trainable_variables if w.name == "gain"]
    assert len(gains) == 5  # entry, two of a block, two skips
    penalty = 0.1 * sum((g**2).sum() for g in gains)
    loss = array(flow.compute_loss(y_pred=flow(x)))
    assert loss == pytest.approx(penalty - array(flow.log_prob(x)).mean(), rel=1e-5)
    free = flow_with("conv")
    assert not free.losses


def test_the_last_scale_of_glows_network_is_exp_3k():
    network, x = ConvNet(2, 4, actnorm=True), pictures(2, 4, 4, 1)
    network.build(x.shape)
    perturb(network)
    scale = network.parts[-1]
    before = array(network(x))
    scale.kernel.assign(array(scale.kernel) + 1)
    np.testing.assert_allclose(array(network(x)), before * np.exp(3), rtol=1e-4)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ConvNet(0),
        lambda: ConvNet(2, hidden=0),
        lambda: ResidualNet(2, hidden=0),
        lambda: ResidualNet(2, blocks=-1),
    ],
    ids=["outputs", "hidden", "residual hidden", "residual blocks"],
)
def test_options_that_cannot_work_are_refused(make):
    with pytest.raises(ValueError, match="Received"):
        make()
