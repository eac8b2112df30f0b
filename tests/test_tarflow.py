"""TarFlow: causality, the cached loop, bits/dim, labels, guidance, denoising, saving."""

import functools
import itertools

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import layers
from keras_flows.core.ledger import Ledger
from keras_flows.models import TarFlow
from keras_flows.training.callbacks import SampleGrid
from tests.multiscale import Whole, eager, smooth_pictures
from tests.numeric import array, encode, gradient, jacobian_log_det, perturb

SHAPE, CLASSES = (4, 4, 1), 3
SIZES = {"steps": 2, "patch": 2, "hidden": 8, "blocks": 1, "seed": 0}


def small(**options):
    return TarFlow(options.pop("image_shape", SHAPE), **{**SIZES, **options})


def pictures(n=32, noise="uniform"):
    x = smooth_pictures(n, SHAPE)
    return x if noise == "uniform" else x.astype("float32") / 255


def labels(n=32):
    return np.arange(n, dtype="int32") % CLASSES


@functools.cache
def trained(noise, classes=CLASSES):
    """A flow after a few steps, and the loss of each epoch."""
    flow = eager(small(noise=noise, classes=classes))
    run_eagerly = keras.backend.backend() == "tensorflow"
    flow.compile(keras.optimizers.AdamW(0.01), run_eagerly=run_eagerly)
    data = (pictures(64, noise), *([labels(64)] if classes else []))
    losses = flow.fit(*data, batch_size=32, epochs=6, verbose=0).history["loss"]
    return flow, losses


@pytest.mark.parametrize("order", ["natural", "reversed", [1, 3, 0, 2]])
def test_a_token_depends_only_on_itself_and_the_tokens_before(order):
    tokens, size = 4, 2
    layer = layers.TransformerAutoregressive(8, 2, heads=2, order=order)
    x = np.random.default_rng(0).normal(size=(1, tokens, size)).astype("float32")
    layer(ops.convert_to_tensor(x))
    perturb(layer)
    flat = tokens * size
    points = np.repeat(x, flat, axis=0)
    which = ops.convert_to_tensor(np.eye(flat, dtype="float32").reshape(flat, tokens, size))
    jacobian = gradient(lambda v: layer.encode(v)[0] * which, points)
    depends = np.abs(jacobian).reshape(tokens, size, tokens, size).max(axis=(1, 3)) > 0
    positions = np.argsort(list(layer.places))
    np.testing.assert_array_equal(depends, positions[:, None] >= positions[None, :])
    blocks = jacobian.reshape(tokens, size, tokens, size)[range(tokens), :, range(tokens), :]
    # Within a token the map is elementwise: the Jacobian is triangular and its log-det a sum.
    np.testing.assert_array_equal(blocks[:, ~np.eye(size, dtype=bool)], 0)


def by_full_passes(layer, z, context):
    """Decodes without a cache, with a pass of the network over all tokens for each token."""
    x = np.zeros_like(z)
    for _ in range(z.shape[1]):
        inputs = [ops.convert_to_tensor(v) for v in (layer._to_order(x), context)]
        params = layer._shift_and_scale(layer.net(inputs))
        ordered = ops.convert_to_tensor(layer._to_order(z))
        x = array(layer._from_order(layer.map.decode(ordered, params)[0]))
    return x


@pytest.mark.parametrize("floatx,tolerance", [("float32", 1e-4), ("float64", 1e-8)])
@pytest.mark.parametrize("order", ["natural", "reversed", [4, 2, 0, 1, 3]])
def test_the_cached_loop_agrees_with_full_passes(order, floatx, tolerance):
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(floatx)
    layer = layers.TransformerAutoregressive(16, 3, heads=2, order=order)
    rng = np.random.default_rng(0)
    z, context = (rng.normal(size=s).astype(floatx) for s in ((2, 5, 3), (2, 4)))
    layer([ops.convert_to_tensor(z), ops.convert_to_tensor(context)])
    perturb(layer)
    cached = array(layer.decode([ops.convert_to_tensor(v) for v in (z, context)])[0])
    full = by_full_passes(layer, z, context)
    np.testing.assert_allclose(cached, full, rtol=tolerance, atol=tolerance)
    again = array(layer.encode([ops.convert_to_tensor(v) for v in (full, context)])[0])
    np.testing.assert_allclose(again, z, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("noise,alpha", [("gaussian", None), ("uniform", None), ("uniform", 0.05)])
def test_the_log_det_is_that_of_the_whole_jacobian(noise, alpha, float64):
    flow = perturb(small(noise=noise, alpha=alpha, classes=CLASSES))
    x = [np.random.default_rng(0).uniform(size=(2, *SHAPE)), labels(2)]
    whole = Whole(flow) if noise == "uniform" else Chain(flow)
    log_det = encode(whole, x)[1]
    assert log_det.dtype == "float64" and np.abs(log_det).min() > 0.1
    np.testing.assert_allclose(log_det, jacobian_log_det(whole, x), rtol=1e-5)


class Chain:
    """The encoder of a flow of floats, with the interface of a layer."""

    conditions = 1

    def __init__(self, flow):
        self.flow = flow

    def encode(self, x):
        with Ledger() as ledger:
            z = self.flow.encoder(x)
        return z, ledger.total()


@pytest.mark.parametrize("noise", ["gaussian", "uniform"])
def test_it_trains_inverts_and_samples(noise):
    flow, losses = trained(noise)
    x, y = pictures(8, noise), labels(8)
    assert losses[-1] < losses[0] - 1
    atol = 0 if noise == "uniform" else 1e-4
    np.testing.assert_allclose(flow.reconstruct(x, y), x, atol=atol)
    sample = flow.sample(3, labels=labels(3), seed=0)
    assert sample.shape == (3, *SHAPE) and sample.dtype == x.dtype
    np.testing.assert_array_equal(sample, flow.sample(3, context=labels(3), seed=0))


def test_it_starts_as_the_identity_and_all_weights_train():
    flow = small(noise="uniform", classes=CLASSES)
    x, y = pictures(4), labels(4)
    z = flow.encode(x, y)
    patches = layers.Patchify(2)(2 * (x.astype("float32") + 0.5) / 256 - 1)
    np.testing.assert_allclose(z, array(patches).reshape(4, -1), atol=1e-6)
    fresh, moved = small(classes=CLASSES), trained("gaussian")[0]
    pairs = zip(fresh.trainable_variables, moved.trainable_variables, strict=True)
    unchanged = [v.path for v, w in pairs if np.all(array(v) == array(w))]
    assert len(fresh.trainable_variables) > 20 and not unchanged


def test_bits_per_dim_are_those_of_a_density_that_sums_to_one():
    """The bounds on the probabilities of all pictures of two pixels sum to 1."""
    levels = 4
    flow = small(image_shape=(1, 2, 1), patch=1, noise="uniform", levels_per_channel=levels)
    perturb(flow, 0.15)
    every = np.array(list(itertools.product(range(levels), repeat=2)), "uint8")
    x = np.repeat(every.reshape(-1, 1, 2, 1), 2000, axis=0)
    nats = flow.log_prob(x, batch_size=8000).reshape(len(every), -1)
    total = np.exp(nats.astype("float64")).mean(axis=1).sum()
    # The rest of the mass lies outside of the range of pixels.
    floats = array(Whole(flow).inverse(flow.prior.sample(100_000, seed=0)))
    inside = np.mean(np.all((floats >= 0) & (floats < 1), axis=(1, 2, 3)))
    assert total == pytest.approx(inside, abs=0.01) and 0.04 < inside < 1
    bits = flow.bits_per_dim(x, batch_size=8000).reshape(len(every), -1).astype("float64")
    assert (2.0 ** (-2 * bits)).mean(axis=1).sum() == pytest.approx(total, rel=0.05)


def test_labels_are_optional_and_minus_one_means_none():
    flow, x, y = trained("gaussian")[0], pictures(8, "gaussian"), labels(8)
    free = flow.log_prob(x)
    np.testing.assert_allclose(flow.log_prob(x, np.full(8, -1)), free, rtol=1e-5)
    assert np.abs(flow.log_prob(x, y) - free).min() > 1e-4
    assert flow.sample(2, seed=0).shape == (2, *SHAPE)
    flow.evaluate(x, verbose=0), flow.evaluate(x, y, verbose=0)
    with pytest.raises(ValueError, match="-1 for none.*Received: labels from -2"):
        flow.log_prob(x, np.full(8, -2))
    with pytest.raises(ValueError, match="0 to 2. Received: labels from -1"):
        TarFlow(SHAPE, classes=CLASSES, drop_labels=0, **SIZES).log_prob(x, np.full(8, -1))


def test_labels_are_dropped_in_training_only():
    vector, y = layers.ClassVector(CLASSES, drop=0.5, seed=0), np.zeros(4000, "int32")
    kept = array(vector(y, training=True)).sum(axis=1)
    assert set(kept) == {0, 1} and abs(kept.mean() - 0.5) < 0.05
    assert array(vector(y)).sum() == 4000
    again = layers.ClassVector.from_config(vector.get_config())
    np.testing.assert_array_equal(array(again(y, training=True)).sum(axis=1), kept)


def guided_by_full_passes(layer, z, context, strength):
    """Decodes with the guidance of the paper, without a cache."""
    x = np.zeros_like(z)
    none = np.zeros_like(context)
    for _ in range(z.shape[1]):
        first = ops.convert_to_tensor(layer._to_order(x))
        p, q = (array(layer.net([first, ops.convert_to_tensor(c)])) for c in (context, none))
        params = layer._shift_and_scale(ops.convert_to_tensor(p + strength[..., None] * (p - q)))
        ordered = ops.convert_to_tensor(layer._to_order(z))
        x = array(layer._from_order(layer.map.decode(ordered, params)[0]))
    return x


def test_guidance_extrapolates_from_parameters_without_a_class():
    layer = layers.TransformerAutoregressive(8, 2, heads=2, order="reversed")
    rng = np.random.default_rng(0)
    z, context = (rng.normal(size=s).astype("float32") for s in ((2, 5, 3), (2, 4)))
    layer([ops.convert_to_tensor(z), ops.convert_to_tensor(context)])
    perturb(layer)
    strength = np.linspace(0, 2, 10, dtype="float32").reshape(2, 5)
    guided = array(layer.guided(*map(ops.convert_to_tensor, (z, context, strength))))
    expected = guided_by_full_passes(layer, z, context, strength)
    np.testing.assert_allclose(guided, expected, atol=1e-4)
    plain = array(layer.decode([ops.convert_to_tensor(v) for v in (z, context)])[0])
    none = array(layer.guided(*map(ops.convert_to_tensor, (z, context, 0 * strength))))
    np.testing.assert_allclose(none, plain, atol=1e-5)
    assert np.abs(guided - plain).max() > 0.01


def test_samples_with_guidance():
    flow, y = trained("gaussian")[0], labels(6)
    eager_guided(flow)
    options = {"labels": y, "seed": 1}
    plain = flow.sample(6, **options)
    weak = flow.sample(6, guidance=1e-6, guidance_schedule="constant", **options)
    np.testing.assert_allclose(weak, plain, atol=1e-4)
    constant = flow.sample(6, guidance=2.0, guidance_schedule="constant", **options)
    assert np.abs(constant - plain).max() > 1e-4
    by_function = flow.sample(6, guidance=2.0, guidance_schedule=lambda t: 0 * t + 1, **options)
    np.testing.assert_allclose(by_function, constant, atol=1e-5)
    linear = flow.sample(6, guidance=2.0, batch_size=4, **options)
    np.testing.assert_allclose(linear, flow.sample(6, guidance=2.0, **options), atol=1e-5)
    assert np.abs(linear - constant).max() > 1e-5
    per_context = flow.sample(2, guidance=2.0, labels=y[:3], seed=1, per_context=True)
    one_by_one = flow.sample(6, guidance=2.0, labels=np.repeat(y[:3], 2), seed=1)
    np.testing.assert_allclose(per_context.reshape(6, *SHAPE), one_by_one, atol=1e-5)


def eager_guided(flow):
    if keras.backend.backend() == "tensorflow":
        flow.guided_decoder.run_eagerly = True


def test_denoising_is_a_step_along_the_score():
    flow, x, y = trained("gaussian")[0], pictures(3, "gaussian"), labels(3)
    assert flow.noise_std == pytest.approx(0.025)
    denoised = flow.denoise(x, y, batch_size=2)
    step, spread = (denoised - x) / flow.noise_std**2, 1e-3
    direction = np.random.default_rng(0).normal(size=x.shape).astype("float32")
    ends = [flow.log_prob(x + sign * spread * direction, y) for sign in (1, -1)]
    slope = (ends[0] - ends[1]) / (2 * spread)
    np.testing.assert_allclose((step * direction).sum((1, 2, 3)), slope, rtol=0.05, atol=0.5)
    raw = flow.sample(3, labels=y, seed=0, denoise=False)
    np.testing.assert_allclose(flow.sample(3, labels=y, seed=0), flow.denoise(raw, y), atol=1e-5)


def test_denoising_gives_the_posterior_mean():
    """For a normal density the posterior mean has a formula."""
    std, spread = 0.5, 2.0
    flow = small(image_shape=(1, 1, 1), patch=1, noise_std=2 * std, steps=1)
    # One affine map, so that noisy data on [0, 1] have N(1/2, spread^2 + std^2).
    block = flow.encoder.get_layer("block_1")
    scale = -np.log(2 * np.hypot(spread, std))
    raw = scale / (1 - abs(scale) / 5)
    block.net.out.bias.assign(np.array([0.0, raw], "float32"))
    x = np.array([-1.0, 0.5, 3.0], "float32").reshape(3, 1, 1, 1)
    expected = x + std**2 * (0.5 - x) / (spread**2 + std**2)
    np.testing.assert_allclose(flow.denoise(x), expected, rtol=1e-5)


@pytest.mark.parametrize("noise", ["gaussian", "uniform"])
def test_a_saved_flow_gives_the_same_samples(noise, tmp_path):
    flow, y = trained(noise)[0], labels(4)
    flow.guided_decoder  # noqa: B018  (must not be saved)
    flow.save(tmp_path / "flow.keras")
    again = eager(keras.saving.load_model(tmp_path / "flow.keras"))
    assert type(again) is type(flow) and len(again.weights) == len(flow.weights)
    options = {"labels": y, "seed": 2}
    np.testing.assert_array_equal(again.sample(4, **options), flow.sample(4, **options))
    eager_guided(again), eager_guided(flow)
    options |= {"guidance": 1.5}
    np.testing.assert_array_equal(again.sample(4, **options), flow.sample(4, **options))


def test_a_compiled_flow_gives_the_samples_of_an_eager_one(tmp_path):
    flow, y = trained("gaussian")[0], labels(4)
    flow.save(tmp_path / "flow.keras")
    compiled = keras.saving.load_model(tmp_path / "flow.keras")
    options = {"labels": y, "seed": 2, "guidance": 1.0}
    np.testing.assert_allclose(
        compiled.sample(4, **options), flow.sample(4, **options), rtol=1e-4, atol=1e-4
    )
    grid = SampleGrid(tmp_path / "{epoch}.png", 1.0, 2, 2, context=y, guidance=1.0)
    grid.set_model(compiled)
    grid.on_epoch_end(0)
    assert (tmp_path / "1.png").exists()


def test_only_training_steps_use_the_low_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    flow = perturb(small(classes=CLASSES))
    x, y = pictures(4, "gaussian"), labels(4)
    np.testing.assert_allclose(flow.reconstruct(x, y), x, atol=1e-4)
    block = flow.encoder.get_layer("block_1")
    tokens = np.random.default_rng(0).normal(size=(2, 4, 4)).astype("float32")
    context = np.eye(CLASSES, dtype="float32")[:2]
    z = [array(block([tokens, context], training=mode)) for mode in (False, True)]
    assert z[0].dtype == z[1].dtype == "float32"
    assert 1e-5 < np.abs(z[0] - z[1]).max() < 0.1
    keras.config.set_dtype_policy("float32")
    again = layers.TransformerAutoregressive.from_config(block.get_config())
    assert again.training_dtype == "bfloat16"


def test_guided_samples_do_not_use_the_low_precision():
    options = {"labels": labels(2), "guidance": 1.0, "seed": 0, "denoise": False}
    samples, weights = [], None
    for policy in ("mixed_bfloat16", "float32"):
        keras.config.set_dtype_policy(policy)
        flow = perturb(small(classes=CLASSES))
        weights = weights or flow.get_weights()
        flow.set_weights(weights)
        samples.append(flow.sample(2, **options))  # builds the guided decoder
    np.testing.assert_allclose(*samples, atol=1e-4)


def test_a_flow_without_classes():
    flow, _ = trained("gaussian", None)
    assert not flow.conditional and flow.sample(2, seed=0).shape == (2, *SHAPE)
    with pytest.raises(ValueError, match="needs labels.*Received"):
        flow.sample(2, guidance=1.0)


@pytest.mark.parametrize(
    "call,why",
    [
        (lambda f: f.sample(2, guidance=1.0), "needs labels"),
        (lambda f: f.sample(2, labels=0, guidance=1.0, guidance_schedule="cubic"), "schedule"),
        (lambda f: f.sample(2, labels=0, guidance=np.nan), "finite number"),
        (lambda f: f.sample(2, denoise=True), "Gaussian noise"),
        (lambda f: f.denoise(pictures(2)), "Gaussian noise"),
    ],
)
def test_samples_that_cannot_be_are_refused(call, why):
    with pytest.raises(ValueError, match=f"{why}.*Received"):
        call(trained("uniform")[0])


@pytest.mark.parametrize(
    "options,why",
    [
        ({"image_shape": (5, 4, 1)}, "divisible"),
        ({"image_shape": (4, 4)}, "height, width, channels"),
        ({"patch": 0}, "patch"),
        ({"steps": 0}, "steps"),
        ({"blocks": 0}, "blocks"),
        ({"hidden": 7, "heads": 2}, "heads"),
        ({"classes": 0}, "classes"),
        ({"noise": "laplace"}, "noise"),
        ({"noise_std": 0.0}, "std"),
        ({"alpha": 0.05}, "alpha"),
        ({"alpha": 0.5, "noise": "uniform"}, "alpha"),
        ({"classes": 2, "drop_labels": 1.5}, "drop"),
    ],
    ids=str,
)
def test_options_that_cannot_work_are_refused(options, why):
    with pytest.raises(ValueError, match=f"(?s){why}.*Received"):
        small(**options)
