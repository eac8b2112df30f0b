"""The RealNVP builder: density and inverse, levels, batch normalisation, errors."""

import keras
import numpy as np
import pytest

from keras_flows import layers
from keras_flows.models import RealNVP
from keras_flows.networks import ResidualNet
from tests.multiscale import VARIANTS, Whole, smooth_pictures, trained
from tests.numeric import array, encode, jacobian_log_det, perturb

small = VARIANTS["realnvp"]
MAPS = {
    "two-levels": lambda: small(image_shape=(4, 4, 1)),
    "odd-width": lambda: small(image_shape=(2, 3, 2), levels=1),
    "no-norm": lambda: small(image_shape=(4, 4, 2), levels=1, norm=None),
}


def perturb_all(flow):
    """Changes weights and running statistics from their initial values."""
    perturb(flow)
    for layer in flow._flatten_layers():
        if isinstance(layer, layers.BatchNormFlow):
            layer.mean.assign(array(layer.mean) + 0.3)
            layer.variance.assign(2 * array(layer.variance))
    return flow


@pytest.mark.parametrize("name", MAPS)
def test_the_log_det_is_that_of_the_whole_jacobian(name, float64):
    flow = perturb_all(MAPS[name]())
    x = [np.random.default_rng(0).uniform(size=(2, *flow.data_shape))]
    whole = Whole(flow)
    log_det = encode(whole, x)[1]
    np.testing.assert_allclose(log_det, jacobian_log_det(whole, x), rtol=1e-5)


def test_round_trip_after_training():
    flow, x = trained("realnvp").flow, smooth_pictures(16)
    np.testing.assert_array_equal(flow.reconstruct(x), x)
    whole, floats = Whole(flow), x.astype("float32") / 256
    back = array(whole.inverse(whole.model([floats])))
    np.testing.assert_allclose(back, floats, atol=1e-4)


def test_all_weights_are_trained_and_the_loss_falls():
    run = trained("realnvp")
    assert len(run.before) > 100 and not run.unchanged
    assert run.losses[-1] < run.losses[0] - 1


def test_adapt_sets_the_running_statistics_of_all_scales():
    flow, x = small(), smooth_pictures(32)
    norms = [v for v in flow._flatten_layers() if isinstance(v, layers.BatchNormFlow)]
    assert len(norms) == 3 + 3 + 4 and not any(norm.affine for norm in norms)
    flow.adapt(x)
    assert not flow.needs_adapt
    z = array(flow.encoder(x))
    for cut in flow.latent_levels:
        assert np.abs(z[:, cut].mean()) < 0.1 and z[:, cut].std() == pytest.approx(1, abs=0.1)


def test_levels_partition_the_latent_from_fine_to_coarse():
    flow = small(image_shape=(8, 4, 3), levels=3)
    assert [s.stop - s.start for s in flow.latent_levels] == [48, 24, 24]
    assert flow.latent_levels[0].start == 0 and flow.latent_levels[-1].stop == flow.dims == 96
    assert small(image_shape=(4, 4, 1), levels=1).latent_levels == [slice(0, 16)]


def test_colours_alternate_and_widths_double():
    chains = [v.steps[::2] for v in small().encoder.layers if isinstance(v, layers.Chain)]
    assert [[c.flip for c in chain] for chain in chains] == [
        [False, True, False],
        [False, True, False],
        [False, True, False, True],
    ]
    kinds = [type(chain[0]) for chain in chains]
    assert kinds == [layers.CheckerboardCouple, layers.Coupling, layers.CheckerboardCouple]
    assert [chain[0].net.hidden for chain in chains] == [4, 8, 8]
    assert all(isinstance(c.net, ResidualNet) and c.scale == "tanh" for ch in chains for c in ch)


def test_a_loaded_flow_gives_the_same_latents(tmp_path):
    flow, x = trained("realnvp").flow, smooth_pictures(4)
    flow.save(tmp_path / "flow.keras")
    again = keras.saving.load_model(tmp_path / "flow.keras")
    np.testing.assert_allclose(array(again.encoder(x)), array(flow.encoder(x)), atol=1e-5)
    assert len(again.weights) == len(flow.weights) and not again.needs_adapt


@pytest.mark.parametrize(
    "options,why",
    [
        ({"image_shape": (6, 8, 1), "levels": 3}, "divisible by 4.*6x8 allow 2 levels.*levels=3"),
        ({"image_shape": (8, 8)}, "height, width, channels.*(8, 8)"),
        ({"norm": "layer"}, "'batch' or None.*layer"),
        ({"levels": 0}, "1 or more for levels.*levels=0"),
        ({"image_shape": (1, 1, 3), "levels": 1}, "two pixels"),
        ({"hidden": 0}, "hidden"),
        ({"blocks": -1}, "blocks"),
        ({"alpha": 0.5}, "alpha"),
        ({"levels_per_channel": 1}, "levels"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_options_that_cannot_work_are_refused(options, why):
    # The message ends with what was received, the number of levels too.
    with pytest.raises(ValueError, match="Received") as error:
        RealNVP(**{"image_shape": (8, 8, 1), "hidden": 4, "blocks": 1, **options})
    parts = why.split(".*")
    places = [str(error.value).index(part) for part in parts]
    assert places == sorted(places)


def test_scaled_pictures_are_refused():
    with pytest.raises(ValueError, match="integers"):
        small().log_prob(smooth_pictures(2) / 255.0)
