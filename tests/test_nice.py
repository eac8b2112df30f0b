"""The NICE builder: both variants, the sign of its couplings, its density computed in NumPy."""

import keras
import numpy as np
import pytest

from keras_flows import layers, priors
from keras_flows.models import NICE
from tests.flows import trained
from tests.numeric import array, arrays, perturb

SMALL = {"dims": 5, "steps": 3, "hidden": (8,)}


def inputs(variant, n=64, dims=5, seed=0):
    x = np.random.default_rng(seed).integers(0, 256, size=(n, dims))
    return x.astype("uint8") if variant == "paper" else (x / 255).astype("float32")


@pytest.mark.parametrize("variant", ["blog", "paper"])
def test_round_trip_of_a_trained_model(variant):
    x = inputs(variant)
    flow = trained(NICE(variant=variant, **SMALL), x, epochs=3)
    back = flow.reconstruct(x)
    assert back.dtype == x.dtype
    np.testing.assert_allclose(back, x, atol=1e-4 if variant == "blog" else 0)
    sample = flow.sample(4, temperature=0.75, seed=0)
    assert sample.shape == (4, 5) and sample.dtype == x.dtype


@pytest.mark.parametrize("variant", ["blog", "paper"])
@pytest.mark.parametrize("scale_init", ["glorot_normal", "zeros", "data"])
def test_scale_init(variant, scale_init):
    x = inputs(variant, 200)
    flow = NICE(variant=variant, scale_init=scale_init, **SMALL)
    assert flow.needs_adapt == (scale_init == "data")
    flow.adapt(x)
    kernel = array(flow.encoder.layers[-1].kernel)
    assert kernel.shape == (1, 5) and np.any(kernel) == (scale_init != "zeros")
    if scale_init == "data":
        np.testing.assert_allclose(flow.encode(x).std(0), 1, atol=0.1)


def test_the_first_part_is_kept_and_the_network_is_subtracted():
    """From data to latent, x2 becomes x2 - m(x1)."""
    x1, x2, shift = (np.full((1, 2), v, "float32") for v in (1.0, 5.0, 3.0))
    z1, z2 = arrays(layers.AddCouple()([x1, x2, shift]))
    assert z1[0, 0] == 1 and z2[0, 0] == 2
    back = arrays(layers.AddCouple().inverse()([z1, z2, shift]))[1]
    assert back[0, 0] == 5


def in_numpy(flow, x, activation):
    """NICE in NumPy from the weights: reverse, even and odd, odd minus net(even), interleave."""
    networks = [layer for layer in flow.encoder.layers if isinstance(layer, keras.Sequential)]
    for network in networks:
        x = x[:, ::-1].copy()
        h = x[:, 0::2]
        for i, dense in enumerate(network.layers):
            h = h @ array(dense.kernel) + array(dense.bias)
            h = np.maximum(h, 0) if i < len(network.layers) - 1 or activation else h
        x[:, 1::2] -= h
    kernel = array(flow.encoder.layers[-1].kernel)
    return x * np.exp(kernel), kernel.sum()


def test_log_prob_of_the_blog_variant():
    flow, x = perturb(NICE(**SMALL)), inputs("blog")
    z, log_det = in_numpy(flow, x, activation=True)
    expected = -0.5 * (z**2 + np.log(2 * np.pi)).sum(-1) + log_det
    np.testing.assert_allclose(flow.encode(x), z, atol=1e-5)
    np.testing.assert_allclose(flow.log_prob(x), expected, rtol=1e-4)


def test_bits_per_dim_of_the_paper_variant():
    flow, x = perturb(NICE(variant="paper", seed=0, **SMALL)), inputs("paper", n=4)
    middle, log_det = in_numpy(flow, (x + 0.5) / 256, activation=False)
    np.testing.assert_allclose(flow.encode(x), middle, atol=1e-4)
    noise = np.random.default_rng(0).uniform(size=(4000, 4, 5))
    z, _ = in_numpy(flow, ((x + noise) / 256).reshape(-1, 5), activation=False)
    nll = (np.logaddexp(0, z) + np.logaddexp(0, -z)).sum(-1) - log_det + 5 * np.log(256)
    expected = nll.reshape(4000, 4).mean(0) / (5 * np.log(2))
    bits = flow.bits_per_dim(np.tile(x, (4000, 1)), batch_size=16000).reshape(4000, 4)
    np.testing.assert_allclose(bits.mean(0), expected, atol=1e-3)


def test_variants_differ_as_documented():
    blog, paper = NICE(**SMALL), NICE(variant="paper", **SMALL)
    assert isinstance(blog.prior, priors.StandardNormal) and not blog.discrete
    assert isinstance(paper.prior, priors.StandardLogistic) and paper.discrete
    assert paper.encoder.inputs[0].dtype == "uint8"
    assert isinstance(NICE(prior=priors.DiagonalNormal(), **SMALL).prior, priors.DiagonalNormal)
    with pytest.raises(ValueError, match="Dequantize"):
        blog.bits_per_dim(inputs("blog"))


def test_the_default_is_that_of_the_blog():
    flow = NICE(784)
    # Four networks of five layers of 1000, one output layer each, and the scale.
    network = 392 * 1000 + 1000 + 4 * (1000 * 1000 + 1000) + 1000 * 392 + 392
    assert flow.count_params() == 4 * network + 784


@pytest.mark.parametrize(
    "options",
    [{"variant": "glow"}, {"dims": 1}, {"steps": 0}, {"hidden": (8, 0)}],
    ids=["variant", "dims", "steps", "hidden"],
)
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(ValueError, match="Received"):
        NICE(**{**SMALL, **options})


def test_integer_flow_refuses_scaled_pictures():
    with pytest.raises(ValueError, match="integers"):
        NICE(variant="paper", **SMALL).log_prob(inputs("blog"))
