"""Chains whose steps repeat: stacked weights, loops, and backward passes that keep less."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import Flow, layers, networks
from keras_flows.core.cost import multiply_adds
from keras_flows.core.ledger import Ledger
from keras_flows.core.scope import BACKPROP, scope
from keras_flows.models import Glow
from tests.chains import IMAGE, glow_chain, images, wide
from tests.multiscale import smooth_pictures, train_briefly
from tests.nets import Sinh, affine, conv_net, glow_step, net, net64
from tests.numeric import array, arrays, perturb

SIZES = {"image_shape": (8, 8, 1), "levels": 2, "hidden": 4, "steps": 3, "seed": 0}


def both_ways(chain, x):
    with Ledger() as ledger:
        z = chain(ops.convert_to_tensor(x))
    back, log_det = chain.decode(z)
    return arrays([z, ledger.total(), back, log_det])


def test_stacked_steps_compute_the_same_as_single_ones(run_as):
    chain, single = glow_chain(), glow_chain(stack=False)
    assert chain._stack and not single._stack
    assert chain._stack.loops == (run_as == "loop" and keras.backend.backend() != "torch")
    for a, b in zip(single.steps, chain.steps):
        for v, w in zip(a.variables, b.variables):
            v.assign(array(w))
    for a, b in zip(both_ways(chain, images()), both_ways(single, images())):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", ["encode", "decode"])
def test_tensors_prepared_from_weights_are_computed_once_for_all_steps(run_as, method, monkeypatch):
    made, chain, prepare = [], glow_chain(), layers.InvConv.prepare

    def counted(self, method, **weights):
        made.append(method)
        return prepare(self, method, **weights)

    monkeypatch.setattr(layers.InvConv, "prepare", counted)
    getattr(chain, method)(ops.convert_to_tensor(images()))
    assert made == [method]
    chain.steps[4].inverse()(chain.steps[4](images()))
    assert made == [method, "encode", "decode"]  # a step by itself makes its own


def test_a_steps_weights_are_rows_of_the_stacked_ones():
    chain, x = glow_chain(), ops.convert_to_tensor(images())
    step = chain.steps[4]
    before = array(chain.steps[1].lower)
    step.lower.assign(array(step.lower) + 1.0)
    column = [array(chain.steps[i].lower) for i in (1, 4, 7)]
    (whole,) = [v for v in chain.variables if v.name == "inv_conv_lower" or "lower" in v.name]
    np.testing.assert_array_equal(array(whole), np.stack(column))
    np.testing.assert_array_equal(column[0], before)
    np.testing.assert_allclose(array(step.inverse()(step(x))), array(x), atol=1e-4)


def test_stacked_steps_are_initialised_like_single_ones():
    starts = []
    for stack in (True, False):
        keras.utils.set_random_seed(0)
        chain = layers.Chain([v for _ in range(3) for v in glow_step(wide())], stack=stack)
        chain.build((None, *IMAGE))
        starts.append([arrays(step.variables) for step in chain.steps])
    for stacked, single in zip(*starts, strict=True):
        for a, b in zip(stacked, single, strict=True):
            np.testing.assert_array_equal(a, b)
    assert not np.array_equal(starts[0][2][0], starts[0][5][0])


class Raised(layers.Actnorm):
    """Assigns to a variable while it is built."""

    def build(self, input_shape):
        super().build(input_shape)
        self.bias.assign(self.bias + 2.0)


def test_values_assigned_in_build_are_kept():
    chain = layers.Chain([Raised(data_init=False) for _ in range(3)], stack=True)
    np.testing.assert_array_equal(array(chain(np.zeros((2, 4), "float32"))), np.full((2, 4), 6))
    assert chain._stack


def test_stacked_steps_in_bfloat16_invert(run_as):
    dtype, x = "mixed_bfloat16", images((4, 6)).astype("float32")
    pairs = [(layers.Actnorm(dtype=dtype), layers.InvConv(dtype=dtype)) for _ in range(3)]
    chain = layers.Chain([v for pair in pairs for v in pair], dtype=dtype)
    with Ledger() as there:
        z = chain(x)
    with Ledger() as back:
        again = chain.inverse()(z)
    assert chain._stack and ops.dtype(z) == ops.dtype(again) == "bfloat16"
    np.testing.assert_allclose(array(ops.cast(again, "float32")), x, atol=0.1)
    np.testing.assert_allclose(array(back.total()), -array(there.total()), atol=0.1)


def test_an_optimizer_sees_one_variable_for_all_steps():
    sizes = {**SIZES, "hidden": 32}
    few, many = (len(Glow(**{**sizes, "steps": d}).trainable_variables) for d in (2, 6))
    assert few == many < 60


def test_jax_stacks_by_default_if_a_loop_can_run_the_steps():
    on_jax = keras.backend.backend() == "jax"
    assert glow_chain(stack=None)._stack
    assert (glow_chain(stack=None, network=lambda: conv_net(2))._stack is None) == on_jax


def test_a_stack_for_less_memory_is_in_a_loop():
    stack = glow_chain(stack=None)._stack
    assert not stack.loops and not glow_chain(stack=False)._series.in_loop().loops
    assert stack.in_loop().loops == (keras.backend.backend() != "torch")
    assert stack.in_loop().variables is stack.variables and not stack.loops


def test_files_are_the_same_with_stacked_weights_and_without(tmp_path):
    flows = [Flow(keras.Sequential([keras.Input(IMAGE), glow_chain()])) for _ in range(2)]
    plain = Flow(keras.Sequential([keras.Input(IMAGE), glow_chain(stack=False)]))
    assert flows[0].count_params() == plain.count_params()
    path, x = tmp_path / "w.weights.h5", images()
    for one, other in (flows, (flows[0], plain), (plain, flows[1])):
        perturb(one, 0.05, seed=len(x))
        one.save_weights(path)
        other.load_weights(path)
        np.testing.assert_allclose(other.log_prob(x), one.log_prob(x), rtol=1e-5)


def test_a_trained_flow_is_the_same_when_loaded(run_as, tmp_path):
    flow, x = Glow(variant="paper", **SIZES), smooth_pictures(32)
    train_briefly(flow, x)
    flow.save(tmp_path / "f.keras")
    loaded = keras.saving.load_model(tmp_path / "f.keras")
    z = array(ops.convert_to_tensor(flow.prior.sample(3, 0.5, seed=1)))
    np.testing.assert_array_equal(loaded.decode(z), flow.decode(z))
    assert loaded.optimizer.iterations == flow.optimizer.iterations


class Odd(layers.FlowLayer):
    """Says nothing of its factor in its config."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def encode(self, x):
        return x * self.factor, None


SHARED = layers.InvConv()
SINGLE = {
    "other options": lambda: [affine(net(4)), affine(net(4), flip=True)],
    "names like options": lambda: [affine(activated("relu")), affine(activated("tanh"))],
    "a shared layer": lambda: [SHARED, SHARED],
    "no pattern": lambda: [layers.InvConv(), layers.Actnorm(), layers.InvConv()],
    "moving averages": lambda: [layers.BatchNormFlow(), layers.BatchNormFlow()],
    "noise": lambda: [affine(dropping()), affine(dropping())],
    "no weights": lambda: [layers.Permute(), layers.Permute()],
    "layers of others": lambda: [affine(net64(4)), affine(net64(4))],
    "no config": lambda: [Odd(2.0), Odd(3.0)],
    "penalties": lambda: [affine(penalised()), affine(penalised())],
}


def activated(name):
    return keras.Sequential([keras.layers.Dense(4, activation=name, name=name)])


def dropping():
    return keras.Sequential([keras.layers.Dropout(0.5), keras.layers.Dense(4)])


def penalised():
    return keras.Sequential([keras.layers.Dense(4, kernel_regularizer="l2")])


@pytest.mark.parametrize("name", SINGLE)
def test_steps_that_may_differ_are_not_stacked(name):
    chain = layers.Chain(SINGLE[name]())
    chain.build((None, 4))
    assert chain._stack is None


def test_stack_true_stacks_or_raises():
    with pytest.raises(ValueError, match="cannot be stacked.*Received: .*Actnorm"):
        layers.Chain([layers.InvConv(), layers.Actnorm()], stack=True).build((None, 4))
    chain = layers.Chain([affine(net64(4)), Sinh(), affine(net64(4)), Sinh()], stack=True)
    chain.build((None, 4))
    assert chain._stack.length == 2


def test_stacked_steps_are_frozen_together():
    chain, x = glow_chain(), ops.convert_to_tensor(images())
    chain.trainable = False
    assert chain.trainable_variables == []
    chain(x)
    chain.trainable = True
    chain.steps[2].trainable = False
    for mode in BACKPROP:
        with pytest.raises(ValueError, match="trained or frozen together.*Received: frozen"):
            with scope(backprop=mode):
                chain(x)


def test_functional_networks_that_differ_in_names_are_stacked():
    def network():
        x = keras.Input((2,))
        return keras.Model(x, keras.layers.Dense(4)(keras.layers.Dense(6, "relu")(x)))

    chain = layers.Chain([affine(network(), split="halves") for _ in range(3)])
    chain.build((None, 4))
    assert chain._stack.length == 3


LOOPS = {
    "tensorflow": lambda run_as: run_as == "loop",
    "jax": lambda run_as: None,
    "torch": lambda run_as: False,
}


def transformer(depth):
    net = networks.CausalTransformer(4, 8, layers=depth)
    net.build((None, 5, 6))
    return perturb(net, 0.1)


def test_stacked_attention_blocks_compute_the_same_as_single_ones(run_as):
    net, stack = transformer(3), transformer(3).repeat._stack
    assert (stack and stack.loops) == LOOPS[keras.backend.backend()](run_as)
    expected = h = ops.convert_to_tensor(images((2, 5, 8)))
    for block in net.blocks:
        expected = block(expected)
    np.testing.assert_allclose(array(net.repeat(h)), array(expected), rtol=1e-5, atol=1e-5)
    for i, (weights, block) in enumerate(zip(net.repeat.each(), net.blocks)):
        one = net.repeat.within(i, weights, type(block).call, h)
        np.testing.assert_allclose(array(one), array(block(h)), rtol=1e-5, atol=1e-5)


def test_stacked_attention_blocks_train_in_few_variables():
    if keras.backend.backend() == "jax":
        pytest.skip("there each block has its own")
    net = transformer(4)
    assert len(net.trainable_variables) == len(transformer(2).trainable_variables)
    net.blocks[1].trainable = False
    with pytest.raises(ValueError, match="trained or frozen together. Received: frozen"):
        net(ops.convert_to_tensor(images((2, 5, 6))))


def test_stacked_weights_have_the_cost_of_single_ones():
    chain, single = glow_chain(), glow_chain(stack=False)
    shape = (None, *IMAGE)
    assert multiply_adds(chain, shape) == multiply_adds(single, shape) > 0


def test_stacked_layers_are_not_stacked_again():
    if keras.backend.backend() == "jax":
        pytest.skip("there a transformer's blocks have weights of their own")
    nets = [networks.VisionTransformer(6, 8, layers=2) for _ in range(2)]
    chain = layers.Chain([affine(net, split="halves") for net in nets])
    chain.build((None, 4, 6))
    assert nets[0].repeat._stack and chain._stack is None
    x = ops.convert_to_tensor(images((2, 4, 6)))
    np.testing.assert_allclose(array(chain.decode(chain(x))[0]), array(x), atol=1e-5)


def decoder_by_hand(chain):
    h = z = keras.Input((4,))
    for step in reversed(chain.steps):
        h = step.inverse()(h)
    return keras.Model(z, h)


def test_a_decoder_of_single_steps_predicts_the_same_as_the_chain():
    chain, x = layers.Chain([affine(net64(4)) for _ in range(2)], stack=True), images((8, 4))
    encoder = keras.Sequential([keras.Input((4,)), chain])
    perturb(chain, 0.2)
    decoder, before = decoder_by_hand(chain), chain.get_weights()
    for _ in range(2):
        z = encoder.predict(x, verbose=0)
        np.testing.assert_allclose(decoder.predict(z, verbose=0), x, atol=1e-5)
    for a, b in zip(chain.get_weights(), before):
        np.testing.assert_array_equal(a, b)
    decoder.trainable = False
    decoder.compile(loss="mse")
    assert decoder.evaluate(z, x, verbose=0) < 1e-8


def test_a_single_step_trains_or_names_the_layer_that_trains_it():
    chain, x = layers.Chain([affine(net64(4)) for _ in range(2)], stack=True), images((8, 4))
    chain.build((None, 4))
    decoder, before = decoder_by_hand(chain), chain.get_weights()
    decoder.compile("sgd", loss="mse")
    if keras.backend.backend() == "jax":
        decoder.fit(x, 2 * x, verbose=0)
        assert all((a != b).any() for a, b in zip(chain.get_weights(), before))
    else:
        with pytest.raises(ValueError, match="trained by their layer.*Received: a step"):
            decoder.fit(x, 2 * x, verbose=0)


def test_steps_of_another_model_are_not_stacked():
    steps, x = [affine(net(4)) for _ in range(4)], images((16, 4))
    plain = Flow(keras.Sequential([keras.Input((4,)), *steps]))
    plain.compile(keras.optimizers.SGD(0.1))
    plain.fit(x, verbose=0)
    with pytest.raises(ValueError, match="cannot be stacked.*that no other model calls"):
        layers.Chain(steps, stack=True).build((None, 4))
    chain = Flow(keras.Sequential([keras.Input((4,)), layers.Chain(steps)]))
    before = chain.log_prob(x)
    plain.fit(x, verbose=0)
    np.testing.assert_allclose(chain.log_prob(x), plain.log_prob(x), rtol=1e-5)
    assert np.abs(chain.log_prob(x) - before).max() > 0


def named(name):
    net = keras.Sequential([keras.layers.Dense(4, name=name)], name=name)
    net.build((None, 2))
    return affine(net, split="halves")


def deep(name):
    return keras.Sequential([keras.layers.Dense(4, name=name), keras.layers.Dense(4)])


NAMED = {
    "steps": lambda names: layers.Chain(
        [layers.Actnorm(data_init=False, name=name) for name in names], False
    ),
    "networks": lambda names: layers.Chain([named(name) for name in names], False),
    "networks that are stacked": lambda names: layers.Chain(
        [affine(deep(name), flip=i % 2 == 1) for i, name in enumerate(names)], True
    ),
}


@pytest.mark.parametrize("case", NAMED)
@pytest.mark.parametrize("plain", [False, True])
def test_layers_with_equal_names_train(case, plain):
    histories = []
    for names in (["same"] * 4, "abcd"):
        keras.utils.set_random_seed(0)
        x = keras.Input((4,))
        model = keras.Model(x, NAMED[case](names)(x))
        model = model if plain else Flow(model)
        model.compile(keras.optimizers.SGD(0.1))
        data = images((16, 4))
        histories.append(model.fit(data, epochs=3, batch_size=16, verbose=0).history["loss"])
    np.testing.assert_allclose(*histories, rtol=1e-6)
