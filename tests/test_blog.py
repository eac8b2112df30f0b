"""The style of the blog series: layers stacked and reversed by hand in plain Keras models.

Two models have the structure of its scripts, nice.py and glow.py. Its names exist, and arguments
by position have the same meaning or are refused.
"""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

import keras_flows
from keras_flows import Flow, invert
from keras_flows.layers import (
    Actnorm,
    AddCouple,
    AffineCouple,
    Concat,
    ConcatVector,
    CondActnorm,
    CoupleWrapper,
    InvDense,
    Permute,
    Reshape,
    Scale,
    Shuffle,
    Split,
    SplitVector,
    Squeeze,
    UniformNoise,
    UnSqueeze,
)
from tests.flows import vectors
from tests.nets import net
from tests.numeric import array, arrays

NOT_INITIALISED = "trained before it was initialised"


def half_square(y_true, y_pred):
    return ops.sum(0.5 * y_pred**2, 1)


def nice(dims=8, couplings=3):
    """Encoder and a decoder reversed by hand, in the structure of the blog's nice.py."""
    steps = [(Shuffle(), SplitVector(), AddCouple(), ConcatVector()) for _ in range(couplings)]
    nets = [net(dims // 2) for _ in steps]
    scale = Scale()

    x_in = keras.Input((dims,))
    x = UniformNoise(-0.01, 0.0)(x_in)
    for (shuffle, split, couple, concat), network in zip(steps, nets):
        x1, x2 = split(shuffle(x))
        x1, x2 = couple([x1, x2, network(x1)])
        x = concat([x1, x2])
    encoder = keras.Model(x_in, scale(x))

    x = scale.inverse()(x_in)
    for (shuffle, split, couple, concat), network in list(zip(steps, nets))[::-1]:
        x1, x2 = concat.inverse()(x)
        x1, x2 = couple.inverse()([x1, x2, network(x1)])
        x = shuffle.inverse()(split.inverse()([x1, x2]))
    return encoder, keras.Model(x_in, x)


def blocks(channels, depth):
    return [
        (Actnorm(), Permute("random"), Split(), CoupleWrapper(net(channels // 2)), Concat())
        for _ in range(depth)
    ]


def glow(side=4, channels=2):
    """Two scales in the structure of the blog's glow.py: encoder and hand-made decoder."""
    squeeze, inner = Squeeze(), [blocks(4 * channels, depth=2), blocks(8 * channels, depth=1)]
    outer_split, cond, outer_reshape = Split(), CondActnorm(), Reshape()
    last_actnorm, last_reshape, last_concat = Actnorm(), Reshape(), Concat()

    def up(x, steps):
        x = squeeze(x)
        for actnorm, permute, split, couple, concat in steps:
            x1, x2 = couple(split(permute(actnorm(x))))
            x = concat([x1, x2])
        return x

    def down(x, steps):
        for actnorm, permute, split, couple, concat in steps[::-1]:
            x1, x2 = couple.inverse()(concat.inverse()(x))
            x = split.inverse()([x1, x2])
            x = actnorm.inverse()(permute.inverse()(x))
        return squeeze.inverse()(x)

    x_in = keras.Input((side, side, channels))
    x1, x2 = outer_split(up(x_in, inner[0]))
    out = outer_reshape(cond([x2, x1]))
    top = last_reshape(last_actnorm(up(x1, inner[1])))
    encoder = keras.Model(x_in, last_concat([out, top]))
    for layer in encoder.layers:  # glow.py adds losses of layers that have a logdet
        assert not hasattr(layer, "logdet")

    z_in = keras.Input(encoder.output_shape[1:])
    out, top = last_concat.inverse()(z_in)
    x1 = down(last_actnorm.inverse()(last_reshape.inverse()(top)), inner[1])
    x2 = cond.inverse()([outer_reshape.inverse()(out), x1])
    return encoder, keras.Model(z_in, down(outer_split.inverse()([x1, x2]), inner[0]))


def images(n):
    return np.random.default_rng(0).normal(0.2, 0.5, size=(n, 4, 4, 2)).astype("float32")


SCRIPTS = {"nice": (nice, lambda n: vectors(n, 8)), "glow": (glow, images)}


@pytest.fixture(params=SCRIPTS)
def script(request):
    """An encoder, its decoder made by hand, and a function that draws data."""
    build, draw = SCRIPTS[request.param]
    return *build(), draw


@pytest.mark.filterwarnings(f"ignore:.*{NOT_INITIALISED}")
def test_models_made_by_hand_train_and_invert(script):
    encoder, decoder, draw = script
    x = draw(160)
    encoder.compile(keras.optimizers.Adam(0.01), loss=half_square)
    losses = encoder.fit(x, x.reshape(160, -1), batch_size=16, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0] - 1
    z = encoder.predict(x, verbose=0)
    back = decoder.predict(z, verbose=0)
    assert np.abs(back - x).max() < 1e-5
    np.testing.assert_allclose(invert(encoder).predict(z, verbose=0), back, atol=1e-5)


def test_the_loss_equals_that_of_a_flow_without_the_constant(script):
    encoder, _, draw = script
    x = draw(32)
    keras_flows.adapt(encoder, x)
    encoder.compile("adam", loss=half_square)
    loss = encoder.evaluate(x, x.reshape(32, -1), batch_size=32, verbose=0)
    flow = Flow(encoder)
    constant = 0.5 * flow.dims * np.log(2 * np.pi)
    np.testing.assert_allclose(-flow.log_prob(x).mean(), loss + constant, rtol=1e-5)


def initialised(initialise):
    """The weights and latents of an encoder after `initialise(encoder, x)`."""
    keras.utils.set_random_seed(1)
    x_in, x = keras.Input((4,)), vectors(32)
    h = CoupleWrapper(net(2))(Split()(Actnorm()(x_in)))
    encoder = keras.Model(x_in, Scale("zeros", data_init=True)(Concat()(h)))
    initialise(encoder, x)
    return arrays(encoder.weights), encoder.predict(x, verbose=0)


def test_adapt_initialises_a_plain_model_like_a_flow():
    """`Flow.fit` adapts on the first batch; with a learning rate of 0 nothing else changes."""

    def fit(encoder, x):
        flow = Flow(encoder)
        flow.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
        flow.fit(x, batch_size=32, epochs=1, verbose=0)

    weights, latents = initialised(keras_flows.adapt)
    flows_weights, flows_latents = initialised(fit)
    for value, other in zip(weights, flows_weights, strict=True):
        np.testing.assert_allclose(value, other, atol=1e-6)
    np.testing.assert_allclose(latents, flows_latents, atol=1e-5)
    assert not np.allclose(latents, initialised(lambda encoder, x: None)[1], atol=0.1)


def plain(layer):
    x = keras.Input((4,))
    return keras.Model(x, layer(x))


def train_a_step(model, dims=4):
    """The warnings about layers not initialised, in one training step."""
    model.compile("sgd", loss=half_square)
    x = vectors(8, dims)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.train_on_batch(x, x)
    return [w for w in caught if NOT_INITIALISED in str(w.message)]


def test_a_plain_model_warns_about_layers_not_initialised(tmp_path):
    model = plain(Actnorm())
    assert len(train_a_step(model)) >= 1
    keras_flows.adapt(model, vectors(16))
    assert not train_a_step(model)
    model.save(tmp_path / "m.keras")
    assert not train_a_step(keras.saving.load_model(tmp_path / "m.keras", compile=False))
    store, again = {}, Actnorm()
    model.layers[-1].save_own_variables(store)
    again.build((None, 4))
    again.load_own_variables(store)
    assert not train_a_step(plain(again))
    assert not train_a_step(plain(Actnorm(data_init=False)))
    assert not train_a_step(plain(Scale()))
    assert train_a_step(plain(Scale(data_init=True)))
    assert train_a_step(plain(keras_flows.layers.Standardize()))


def test_adapt_takes_flows_and_data_sets(monkeypatch):
    model = plain(Actnorm())
    keras_flows.adapt(model, iter([vectors(16), vectors(16, seed=1)]))
    np.testing.assert_allclose(array(model(vectors(16))).mean(0), 0, atol=1e-5)
    seen = []
    monkeypatch.setattr(Flow, "adapt", lambda self, x: seen.append(x))
    keras_flows.adapt(Flow(plain(Actnorm())), "data")
    assert seen == ["data"]


NAMES = """Shuffle Permute SplitVector ConcatVector AddCouple Scale InvDense Split Concat
    AffineCouple CoupleWrapper Actnorm CondActnorm Reshape Squeeze UnSqueeze""".split()


def test_a_star_import_has_all_names_of_the_blog():
    names = {}
    exec("from keras.layers import *\nfrom keras_flows.layers import *", names)
    assert [n for n in NAMES if not issubclass(names[n], keras_flows.layers.FlowLayer)] == []


REFUSED = {
    "Actnorm": lambda: Actnorm(False, True),
    "Actnorm direction": lambda: Actnorm(True),
    "Actnorm name": lambda: Actnorm(isinverse=True),
    "CondActnorm": lambda: CondActnorm(False),
    "AddCouple": lambda: AddCouple(True),
    "AffineCouple": lambda: AffineCouple(True),
    "InvDense": lambda: InvDense(True),
    "CoupleWrapper": lambda: CoupleWrapper(net(2), None, True),
    "CoupleWrapper name": lambda: CoupleWrapper(net(2), isinverse=True),
}


@pytest.mark.parametrize("name", REFUSED)
def test_arguments_for_the_inverse_are_refused(name):
    with pytest.raises(ValueError, match=r"layer.inverse\(\).*Received"):
        REFUSED[name]()


def test_arguments_by_position_mean_the_same_as_in_the_blog():
    x = np.arange(32, dtype="float32").reshape(1, 4, 4, 2)
    assert array(Shuffle([2, 0, 1])(x[:, 0, :3, 0])).tolist() == [[4, 0, 2]]
    assert Shuffle(None, "random").mode == "random"
    assert Permute("random").mode == "random" and Permute().mode == "reverse"
    assert [p.shape[-1] for p in Split([1, 1])(x)] == [1, 1]
    assert Squeeze(4)(x).shape == (1, 1, 1, 32) and UnSqueeze(2)(Squeeze(2)(x)).shape == x.shape
    assert Reshape()(x).shape == (1, 32)
    couple = CoupleWrapper(net(1), net(1))
    assert couple.shift_model is not couple.log_scale_model


def test_reshape_flattens_and_inverts():
    layer, x = Reshape(), images(3)
    assert np.array_equal(array(layer(x)), x.reshape(3, -1))
    assert np.array_equal(array(layer.inverse()(layer(x))), x)
    with pytest.raises(ValueError, match="batch axis.*Received"):
        Reshape([-1, 32])


def test_couple_wrapper_follows_its_formula():
    x1, x2 = vectors(5, 3), vectors(5, 2, seed=1)
    shift, log_scale = net(2), net(2)
    z1, z2 = arrays(CoupleWrapper(shift, log_scale)([x1, x2]))
    s, t = array(log_scale(x1)), array(shift(x1))
    assert np.array_equal(z1, x1)
    np.testing.assert_allclose(z2, x2 * np.exp(s) + t, rtol=1e-5)
    np.testing.assert_allclose(arrays(CoupleWrapper(shift)([x1, x2]))[1], x2 + t, rtol=1e-5)


def test_log_dets_inside_the_networks_of_a_couple_wrapper_do_not_count():
    x = keras.Input((4,))
    inner = keras.Sequential([Scale("ones"), keras.layers.Dense(2)])
    model = keras.Model(x, Concat()(CoupleWrapper(inner)(Split()(x))))
    model(vectors(4))
    assert sum(float(array(loss)) for loss in model.losses) == 0
    np.testing.assert_allclose(array(Flow(model)(vectors(4))[1]), 0)


def test_adapt_names_the_channel_that_is_not_finite():
    x = vectors(8, 50)
    x[3, 7] = np.nan
    with pytest.raises(ValueError, match=r"\(8, 50\), with 1 channels not finite.*position 7") as e:
        Actnorm().adapt(ops.convert_to_tensor(x))
    assert len(str(e.value)) < 250


def test_messages_shorten_long_arguments():
    for make in (
        lambda: Shuffle(idxs=[1] * 1000),
        lambda: Shuffle(idxs=np.ones(1000)),
        lambda: Shuffle(np.ones(1000)),
        lambda: Actnorm(np.ones((50, 50))),
        lambda: invert(np.ones((50, 50))),
    ):
        with pytest.raises(ValueError, match="Received") as error:
            make()
        message = str(error.value)
        assert len(message) < 400 and ("of shape (" in message or "1000 in all" in message)
