"""IDF: exact probabilities of integers, both directions without error, parts for a coder."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import Flow, layers, networks, priors
from keras_flows.flow.integer_codes import IntegerCodes, Part, Shift
from keras_flows.layers.logistic_bins import log_mass, to_integer, to_latent
from keras_flows.models import IDF
from tests.multiscale import eager, smooth_pictures, train_briefly
from tests.numeric import array, perturb
from tests.test_discrete import LEVELS, PICTURES, pairs

SMALL = {"image_shape": (8, 8, 1), "levels": 2, "steps": 2, "hidden": 4, "blocks": 2, "seed": 0}
FLOWS = {
    "paper": lambda **options: IDF(**{**SMALL, **options}),
    "plus": lambda **options: IDF(**{**SMALL, "variant": "plus", **options}),
    "mixture": lambda **options: IDF(**{**SMALL, "mixture": 3, "parts": 2, **options}),
}
every_flow = pytest.mark.parametrize("name", FLOWS)


def noise(n=32, shape=(8, 8, 1), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape)).astype("uint8")


@functools.cache
def moved(name):
    """A flow far from its start."""
    return eager(perturb(FLOWS[name](), 0.1))


@functools.cache
def trained(name):
    return train_briefly(FLOWS[name](), smooth_pictures(), steps=4, rate=0.01)


STATES = {"moved": moved, "trained": trained}


def parameters(shape, components, seed=0, spread=100.0):
    """Means, log scales and log weights of random mixtures, as tensors."""
    rng = np.random.default_rng(seed)
    means = spread * rng.normal(size=(*shape, components))
    log_scales = rng.uniform(-4.5, 5.5, size=means.shape)
    weights = rng.dirichlet(np.ones(components), size=shape)
    arrays = (means, log_scales, np.log(weights))
    return [ops.convert_to_tensor(v.astype("float32")) for v in arrays]


@pytest.mark.parametrize("components", [1, 4])
def test_masses_of_all_bins_sum_to_one(components):
    z = ops.convert_to_tensor(np.arange(-6000, 6001, dtype="float32")[:, None])
    mass = np.exp(array(log_mass(z, *parameters((20,), components))).astype("float64"))
    np.testing.assert_allclose(mass.sum(0), 1, atol=2e-5)


def test_both_tails_are_computed_in_log_space():
    mean, scale = np.float64([0.3]), 0.5
    z = np.float64([-400, -30, 0, 1, 30, 400])
    low, high = (np.abs(z - mean) - 0.5) / scale, (np.abs(z - mean) + 0.5) / scale
    # The logarithm of sigmoid(-low) - sigmoid(-high), far from the mean.
    expected = -low - np.log1p(np.exp(-low)) + np.log(-np.expm1(low - high))
    expected -= np.log1p(np.exp(-high))
    tensors = [np.float32([[mean[0]]]), np.float32([[np.log(scale)]]), np.float32([[0]])]
    received = array(log_mass(*map(ops.convert_to_tensor, [np.float32(z), *tensors])))
    np.testing.assert_allclose(received, expected, rtol=1e-5)


def with_broad(means, log_scales, log_weights):
    """A mixture with the broad component that the layer adds."""
    broad = [np.zeros_like(means[..., :1]) + value for value in (0, np.log(128), -10 * np.log(2))]
    parts = (means, log_scales, log_weights + np.log1p(-(2.0**-10)))
    return [np.concatenate(pair, -1).astype("float32") for pair in zip(parts, broad)]


@pytest.mark.parametrize("moved", [0.0, 1e-5])
@pytest.mark.parametrize("components", [1, 3])
def test_the_integer_of_the_latent_is_the_integer_though_parameters_are_rounded(components, moved):
    """Networks round in other ways in batches of another size."""
    z = np.random.default_rng(1).integers(-600, 600, (50, 200)).astype("float32")
    mixture = list(map(array, parameters(z.shape, components)))
    mixture = mixture if components == 1 else with_broad(*mixture)
    u = to_latent(*map(ops.convert_to_tensor, [z, *mixture]))
    assert np.all(np.isfinite(array(u)))
    for part in mixture[: 3 if components > 1 else 2]:
        part[..., :components] *= 1 + moved * np.random.default_rng(2).normal(size=z.shape + (1,))
    mixture = map(ops.convert_to_tensor, mixture)
    np.testing.assert_array_equal(array(to_integer(u, *mixture)), z)


def test_integers_of_a_logistic_draw_have_the_masses_of_the_bins():
    n = 400_000
    u = priors.StandardLogistic().draw((n,), seed=0)
    mixture = with_broad(*(np.float32([v]) for v in ([0.0, 3.0], [-1.0, 0.0], np.log([0.4, 0.6]))))
    mixture = list(map(ops.convert_to_tensor, mixture))
    z = array(to_integer(u, *mixture))
    values = np.arange(-4, 10, dtype="float32")
    shares = [(z == value).mean() for value in values]
    mass = np.exp(array(log_mass(ops.convert_to_tensor(values), *mixture)))
    np.testing.assert_allclose(shares, mass, atol=0.003)
    far = np.abs(z) > 40  # the broad component alone
    np.testing.assert_allclose(far.mean(), 2**-10 * 2 / (1 + np.exp(40.5 / 128)), rtol=0.15)


@pytest.mark.parametrize("state", ["moved", pytest.param("trained", marks=pytest.mark.slow)])
@every_flow
def test_reconstruction_is_exact_alone_and_in_batches(name, state):
    flow = STATES[state](name)
    x = np.concatenate([noise(16), smooth_pictures(16, seed=3)])
    for size in (1, 32):
        data = x[:4] if size == 1 else x
        z = flow.encode(data, batch_size=size)
        np.testing.assert_array_equal(flow.decode(z, batch_size=size), data)


@every_flow
def test_samples_are_integers_that_come_back(name):
    x = trained(name).sample(8, seed=0)
    assert x.dtype == "uint8" and x.shape == (8, 8, 8, 1)
    np.testing.assert_array_equal(trained(name).reconstruct(x), x)


@every_flow
def test_the_flow_knows_that_its_bits_are_exact(name):
    flow, x = moved(name), noise(4)
    assert flow.exact and flow.discrete and flow.levels == 256
    assert isinstance(flow.prior, priors.StandardLogistic)
    np.testing.assert_array_equal(flow.log_prob(x), flow.log_prob(x))  # no noise
    bits = -flow.log_prob(x) / (64 * np.log(2))
    np.testing.assert_allclose(flow.bits_per_dim(x), bits, rtol=1e-6)


def test_probabilities_of_all_pictures_sum_to_one():
    options = {"levels": 1, "hidden": 4, "blocks": 1, "levels_per_channel": LEVELS, "seed": 0}
    flow = IDF((2, 2, 1), steps=2, variant="plus", parts=2, mixture=2, **options)
    x = pairs(32).repeat(2, axis=1).reshape(-1, 2, 2, 1)
    train_briefly(flow, x, steps=8, rate=0.05)
    total = np.exp(flow.log_prob(PICTURES).astype("float64")).sum()
    assert 0.6 < total < 1 + 1e-5  # the rest is on integers that are no levels
    assert flow.bits_per_dim(x).mean() < 2


@every_flow
def test_training_reaches_all_weights_and_lowers_the_loss(name):
    flow = FLOWS[name]()
    before = [array(v) for v in flow.trainable_variables]
    losses = train_briefly(flow, smooth_pictures(), steps=3, rate=0.01).history.history["loss"]
    assert losses[-1] < losses[0] - 1
    for weight, old in zip(flow.trainable_variables, before):
        assert np.any(array(weight) != old), weight.path


def test_the_improved_variant_starts_as_the_identity():
    flow = FLOWS["plus"](steps=4)
    x = noise(4)
    symbols = [s.symbols for s in IntegerCodes(flow, eager=True).encode(x) if isinstance(s, Part)]
    values = np.concatenate([s.ravel() for s in symbols])
    np.testing.assert_array_equal(np.sort(values), np.sort(x.astype("int32").ravel() - 128))
    couplings = [step for v in flow.encoder.layers for step in getattr(v, "steps", ())]
    assert [float(array(step.gain)) for step in couplings] == [0] * 8


@every_flow
def test_a_saved_flow_gives_the_same_probabilities(name, tmp_path):
    flow, x = moved(name), noise(4)
    flow.save(tmp_path / "flow.keras")
    again = eager(keras.saving.load_model(tmp_path / "flow.keras"))
    assert again.exact
    np.testing.assert_allclose(again.log_prob(x), flow.log_prob(x), rtol=1e-6)
    np.testing.assert_array_equal(again.reconstruct(x), x)


def log_mass_of(part):
    """log P of a part's symbols in nats, in NumPy, one number for each sample."""
    means, scales = (v.astype("float64") for v in (part.means, np.exp(part.log_scales)))
    d = np.abs(part.symbols[..., None] - means)
    near, far = (-np.logaddexp(0, (d + edge) / scales) for edge in (-0.5, 0.5))
    log_p = near + np.log1p(-np.exp(np.minimum(far - near, -1e-16))) + part.log_weights
    return np.logaddexp.reduce(log_p, axis=-1).reshape(len(d), -1).sum(1)


def run(steps, answer):
    """Runs a generator of steps; `answer(step)` is sent after each. Returns steps and result."""
    seen, received = [], None
    while True:
        try:
            step = steps.send(received)
        except StopIteration as end:
            return seen, end.value
        seen.append(step)
        received = answer(step)


@pytest.mark.parametrize("state,run_eagerly", [("moved", True), ("trained", False)])
@every_flow
def test_parts_carry_the_probability_and_give_the_pictures_back(name, state, run_eagerly):
    flow, x = STATES[state](name), smooth_pictures(5)
    codes = IntegerCodes(flow, eager=run_eagerly)
    steps = list(codes.encode(x))
    parts = {step.index: step for step in steps if isinstance(step, Part)}
    assert sum(p.symbols[0].size for p in parts.values()) == flow.dims
    total = sum(map(log_mass_of, parts.values()))
    np.testing.assert_allclose(total, flow.log_prob(x), rtol=1e-4, atol=1e-2)
    answer = lambda s: None if isinstance(s, Shift) else parts[s.index].symbols  # noqa: E731
    seen, back = run(codes.decode(len(x)), answer)
    order = [step.index for step in seen]
    np.testing.assert_array_equal(back, x)
    assert back.dtype == "uint8"
    indices = [step.index for step in steps]
    assert sorted(order) == sorted(indices) == list(range(len(indices)))
    assert order[0] == steps[-1].index  # the last part is decoded first


def test_the_caller_decides_how_shifts_are_rounded():
    flow, x = moved("plus"), noise(2)
    codes = IntegerCodes(flow, eager=True)
    seen, _ = run(codes.encode(x), lambda s: np.floor(s.values) if isinstance(s, Shift) else None)
    symbols = {step.index: step.symbols for step in seen if isinstance(step, Part)}
    assert any(np.any(s.values % 1 > 0.5) for s in seen if isinstance(s, Shift))

    def answer(step):
        return np.floor(step.values) if isinstance(step, Shift) else symbols[step.index]

    np.testing.assert_array_equal(run(codes.decode(2), answer)[1], x)


def test_symbols_of_another_shape_are_refused():
    steps = IntegerCodes(moved("paper"), eager=True).decode(2)
    next(steps)
    with pytest.raises(ValueError, match="needs symbols of shape .*Received: shape"):
        steps.send(np.zeros((2, 1, 1, 1), "int32"))


def test_flows_with_noise_have_no_codes():
    x = keras.Input((2,), dtype="uint8")
    flow = Flow(keras.Model(x, layers.Dequantize()(x)))
    assert not flow.exact
    with pytest.raises(ValueError, match="flow of integers.*Received"):
        IntegerCodes(flow)


def test_integers_that_reach_no_distribution_are_refused():
    x = keras.Input((2,), dtype="uint8")
    z = layers.IntegerInput()(x)
    with pytest.raises(ValueError, match="Dequantize.*Received: 0 of 2 dimensions"):
        Flow(keras.Model(x, z))
    a, b = layers.Split()(z)
    part = layers.Concat()([layers.DiscretizedLogistic()(a), b])
    with pytest.raises(ValueError, match="Received: 1 of 2 dimensions"):
        Flow(keras.Model(x, part))
    with pytest.raises(ValueError, match="StandardLogistic.*Received.*StandardNormal"):
        Flow(keras.Model(x, layers.DiscretizedLogistic()(z)), priors.StandardNormal())


def test_shifts_are_integers_and_their_gradient_that_of_the_network():
    net = networks.ConvNet(1, 4)
    coupling = layers.IntegerCoupling(net)
    x = noise(2, (4, 4, 4)).astype("float32")
    coupling(ops.convert_to_tensor(x))
    perturb(coupling)
    z = array(coupling.encode(ops.convert_to_tensor(x))[0])
    assert np.array_equal(z, np.round(z)) and np.any(z[..., 3] != x[..., 3])
    np.testing.assert_array_equal(z[..., :3], x[..., :3])


@pytest.mark.parametrize("name", ["relu", "group"])
def test_dense_networks_start_at_zero_and_grow(name):
    options = {"norm": "group", "activation": "swish"} if name == "group" else {}
    net = networks.DenseNet(3, hidden=10, blocks=3, **options)
    y = array(net(np.random.default_rng(0).normal(size=(2, 4, 4, 6)).astype("float32")))
    assert y.shape == (2, 4, 4, 3) and not np.any(y)
    kernels = [w.shape for w in net.trainable_variables if len(w.shape) == 4]
    assert kernels[1::2] == [(3, 3, 6, 4), (3, 3, 10, 3), (3, 3, 13, 3)]
    assert kernels[-1] == (3, 3, 16, 3)


@pytest.mark.parametrize(
    "options,why",
    [
        ({"image_shape": (6, 8, 1), "levels": 3}, "divisible by 8.*Received"),
        ({"variant": "best"}, "'paper' or 'plus'.*Received"),
        ({"split": "thirds"}, "split is one of.*Received"),
        ({"parts": 0}, "1 or more for parts.*Received"),
        ({"mixture": 0}, "1 or more for mixture.*Received"),
        ({"steps": 0}, "1 or more for steps.*Received"),
        ({"blocks": 9}, "hidden channels for each.*Received"),
        ({"levels_per_channel": 1}, "levels is.*Received"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_options_that_cannot_work_are_refused(options, why):
    with pytest.raises(ValueError, match=why):
        IDF(**{**SMALL, **options})
