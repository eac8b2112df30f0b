"""The Glow builder: density and inverse, classes, levels, first batch, errors."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import layers
from keras_flows.core.ledger import Ledger
from keras_flows.core.scope import adapting
from keras_flows.flow.sampling import temperature_per_dimension
from keras_flows.models import Glow
from tests.multiscale import VARIANTS, Whole, smooth_pictures, trained
from tests.numeric import array, encode, jacobian_log_det, perturb

blog, paper = VARIANTS["blog"], VARIANTS["paper"]
CLASSES = 3

MAPS = {
    "blog": lambda: blog(image_shape=(4, 4, 1)),
    "blog-two-channels": lambda: blog(image_shape=(4, 4, 2), steps=2),
    "paper": lambda: paper(image_shape=(4, 4, 1)),
    "paper-one-level": lambda: paper(image_shape=(4, 2, 1), levels=1, steps=2),
    "no-priors": lambda: paper(image_shape=(4, 4, 1), conditional_prior=False, learn_top=False),
    "classes": lambda: paper(image_shape=(4, 4, 1), classes=CLASSES, scale="tanh"),
}
OPTIONS = list(itertools.product(["inv_conv", "shuffle", "reverse"], ["additive", "affine"]))


def with_labels(flow, x):
    return [x, np.arange(len(x), dtype="int32") % CLASSES] if flow.conditional else [x]


@pytest.mark.parametrize("name", MAPS)
def test_the_log_det_is_that_of_the_whole_jacobian(name, float64):
    flow = perturb(MAPS[name]())
    shape = flow.data_shape
    x = with_labels(flow, np.random.default_rng(0).uniform(size=(2, *shape)))
    whole = Whole(flow)
    log_det = encode(whole, x)[1]
    assert log_det.dtype == "float64" and np.abs(log_det).min() > 0.1
    np.testing.assert_allclose(log_det, jacobian_log_det(whole, x), rtol=1e-5)


@pytest.mark.parametrize("name", ["blog", "paper"])
def test_round_trip_after_training(name):
    flow, x = trained(name).flow, smooth_pictures(16)
    np.testing.assert_array_equal(flow.reconstruct(x), x)
    z = np.random.default_rng(0).normal(size=(4, flow.dims)).astype("float32")
    whole = Whole(flow)
    floats = smooth_pictures(8).astype("float32") / 256
    latent = array(whole.model([floats]))
    np.testing.assert_allclose(array(whole.inverse(latent)), floats, atol=1e-5)
    np.testing.assert_allclose(array(whole.model([whole.inverse(z)])), z, atol=1e-3)
    sample = flow.sample(2, temperature=0.7, seed=0)
    assert sample.shape == (2, 8, 8, 1) and sample.dtype == "uint8"


@pytest.mark.parametrize("permutation,coupling", OPTIONS)
def test_every_permutation_and_coupling_inverts_and_loads(permutation, coupling, tmp_path):
    options = {"levels": 1, "permutation": permutation, "coupling": coupling}
    flow = perturb((blog if coupling == "affine" else paper)(**options), 0.1)
    x = smooth_pictures(4)
    z = array(flow.encoder(x))
    np.testing.assert_array_equal(array(flow.decoder(z)), x)
    flow.save(tmp_path / "flow.keras")
    again = keras.saving.load_model(tmp_path / "flow.keras")
    np.testing.assert_allclose(array(again.encoder(x)), z, atol=1e-5)
    np.testing.assert_array_equal(array(again.decoder(z)), x)
    kinds = {type(v) for v in flow._flatten_layers()}
    assert (layers.InvConv in kinds) == (permutation == "inv_conv")
    assert len(again.weights) == len(flow.weights)


@pytest.mark.parametrize("name", ["blog", "paper"])
def test_all_weights_are_trained_and_the_loss_falls(name):
    # The last layers of the networks are 0: earlier ones have no gradient in the first step.
    run = trained(name)
    assert len(run.before) > 10 and not run.unchanged
    assert run.losses[-1] < run.losses[0] - 1


@pytest.mark.parametrize(
    "shape,levels,sizes",
    [((8, 8, 3), 3, (96, 48, 48)), ((8, 4, 1), 2, (16, 16)), ((4, 4, 1), 1, (16,))],
)
def test_levels_partition_the_latent_from_fine_to_coarse(shape, levels, sizes):
    flow = blog(image_shape=shape, levels=levels)
    cuts = flow.latent_levels
    assert tuple(s.stop - s.start for s in cuts) == sizes
    covered = np.concatenate([np.arange(flow.dims)[s] for s in cuts])
    np.testing.assert_array_equal(covered, np.arange(flow.dims))


def test_the_first_level_is_the_output_of_the_first_split():
    flow, x = perturb(blog(levels=3, conditional_prior=False)), smooth_pictures(2)
    split = next(v for v in flow.encoder.layers if isinstance(v, layers.Split))
    out = array(keras.Model(flow.encoder.inputs[0], split.output[1])(x))
    z = array(flow.encoder(x))
    np.testing.assert_allclose(z[:, flow.latent_levels[0]], out.reshape(2, -1), atol=1e-6)


def test_a_temperature_for_each_level():
    flow = trained("blog").flow
    cold = flow.sample(2, [0, 0], seed=1)
    np.testing.assert_array_equal(cold, flow.sample(2, 0.0, seed=1))
    np.testing.assert_array_equal(flow.sample(2, [0.5, 0.5], seed=1), flow.sample(2, 0.5, seed=1))
    assert np.any(flow.sample(2, [0, 1], seed=1) != cold)
    base = array(flow.prior.sample(3, temperature_per_dimension(flow, [0.5, 0.5]), 1))
    for level, cut in enumerate(flow.latent_levels):
        temperatures = [0.5, 0.5]
        temperatures[level] = 1.0
        z = array(flow.prior.sample(3, temperature_per_dimension(flow, temperatures), 1))
        moved = np.any(z != base, axis=0)
        assert np.all(moved[cut]) and moved.sum() == cut.stop - cut.start
        np.testing.assert_allclose(z[:, cut], 2 * base[:, cut], rtol=1e-6)
    with pytest.raises(ValueError, match="2 latent_levels.*Received"):
        flow.sample(2, [1.0, 0.5, 0.2])


def test_adapt_initialises_every_actnorm_in_one_pass(monkeypatch):
    flow, x = paper(steps=2), smooth_pictures(32)
    assert flow.needs_adapt and not blog().needs_adapt
    flow.adapt(x)
    assert not flow.needs_adapt
    outputs, encode = [], layers.Actnorm.encode

    def recorded(self, x):
        z, log_det = encode(self, x)
        outputs.append((self, array(z)))
        return z, log_det

    monkeypatch.setattr(layers.Actnorm, "encode", recorded)
    with adapting(), Ledger():  # runs the steps one by one; they are initialised already
        flow.encoder(x, training=True)
    initialised = [z for norm, z in outputs if norm.data_init]
    # Two levels of two steps, each with one actnorm and two in its network, and one at the top.
    assert len(initialised) == 2 * 2 * 3 and len(outputs) == 13
    for z in initialised:  # up to fresh noise of one bin
        np.testing.assert_allclose(z.mean((0, 1, 2)), 0, atol=0.03)
        np.testing.assert_allclose(z.std((0, 1, 2)), 1, atol=0.03)


def test_the_variants_are_as_documented():
    flows = {name: VARIANTS[name](steps=None, hidden=1, levels=1) for name in ("blog", "paper")}
    steps = {name: flow.encoder.get_layer("level_1").steps for name, flow in flows.items()}
    assert {name: len(s) / 3 for name, s in steps.items()} == {"blog": 10, "paper": 32}
    norm, permute, couple = steps["blog"][:3]
    assert (type(permute), couple.mode, norm.data_init) == (layers.Permute, "additive", False)
    norm, permute, couple = steps["paper"][:3]
    assert (type(permute), couple.mode, norm.data_init) == (layers.InvConv, "affine", True)
    assert couple.net.actnorm and couple.net.edges and couple.scale == "sigmoid"
    for name, low in (("blog", -1), ("paper", -0.5)):
        rescale = next(v for v in flows[name].encoder.layers if isinstance(v, layers.Rescale))
        ends = array(rescale(np.array([[0.0, 1.0]], "float32")))
        assert ends.tolist() == [[low, -low]]


def test_the_noise_of_the_blog_has_no_bits_per_dim():
    flow = blog(noise="blog")
    x = smooth_pictures(4).astype("float32") / 255
    assert np.all(np.isfinite(array(flow.log_prob(ops.convert_to_tensor(x)))))
    with pytest.raises(ValueError, match=r"Dequantize.*Received.*begins with .*\(UniformNoise\)"):
        flow.bits_per_dim(x)
    with pytest.raises(ValueError, match="integers"):
        blog().bits_per_dim(x)


@pytest.mark.parametrize(
    "options,why",
    [
        ({"image_shape": (12, 8, 1), "levels": 3}, "divisible by 8.*12x8 allow 2 levels"),
        ({"image_shape": (8, 8)}, "height, width, channels"),
        ({"image_shape": (8, 8, 0)}, "height, width, channels"),
        ({"levels": 0}, "1 or more for levels"),
        ({"steps": 0}, "steps"),
        ({"hidden": 0}, "hidden"),
        ({"classes": 0}, "classes"),
        ({"variant": "flow++"}, "variant"),
        ({"permutation": "sideways"}, "permutation"),
        ({"coupling": "cubic"}, "mode"),
        ({"scale": "softplus"}, "scale"),
        ({"noise": "none"}, "noise"),
        ({"levels_per_channel": 1}, "levels"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_options_that_cannot_work_are_refused(options, why):
    with pytest.raises(ValueError, match=f"(?s){why}.*Received"):
        Glow(**{"image_shape": (8, 8, 1), "levels": 2, "steps": 1, "hidden": 4, **options})
