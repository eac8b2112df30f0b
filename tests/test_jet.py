"""The Jet builder: density and inverse, what each coupling transforms, classes, errors."""

import functools

import keras
import numpy as np
import pytest

from keras_flows.layers import Coupling, Permute
from keras_flows.layers.patchify import cut_patches
from keras_flows.models import Jet
from tests.multiscale import Trained, Whole, eager, smooth_pictures, train_briefly
from tests.numeric import array, encode, jacobian_log_det, perturb

CLASSES = 3
SIZES = {"image_shape": (8, 8, 1), "steps": 4, "patch": 2, "hidden": 8, "blocks": 1}


def small(**options):
    return Jet(**{**SIZES, "every": 2, "expansion": 1, "seed": 0, **options})


MAPS = {
    "patches-only": lambda: small(image_shape=(4, 4, 2), steps=6, patch=1, every=1),
    "oblong": lambda: small(image_shape=(4, 4, 1), steps=2, patch=(2, 1), heads=2),
    "odd-channels": lambda: small(image_shape=(1, 3, 3), patch=1, spatial=(), blocks=2),
    "classes": lambda: small(image_shape=(4, 4, 1), steps=2, classes=CLASSES),
}


def with_labels(flow, x):
    return [x, np.arange(len(x), dtype="int32") % CLASSES] if flow.conditional else [x]


@functools.cache
def trained():
    flow, x = small(classes=CLASSES), smooth_pictures(16)
    before = [array(v) for v in flow.trainable_variables]
    history = train_briefly(flow, *with_labels(flow, x), steps=3, rate=0.02).history.history
    return Trained(flow, before, history["loss"])


def patches(x):
    """Pixels scaled as by the flow, with one vector for each patch."""
    return array(cut_patches((2 * x.astype("float32") + 1) / 256 - 1, (8, 8, 1), (2, 2)))


@pytest.mark.parametrize("name", MAPS)
def test_the_log_det_is_that_of_the_whole_jacobian(name, float64):
    flow = perturb(MAPS[name]())
    x = with_labels(flow, np.random.default_rng(0).uniform(size=(2, *flow.data_shape)))
    whole = Whole(flow)
    log_det = encode(whole, x)[1]
    volume = np.log(2) * flow.dims  # of the affine map of the pixels
    assert log_det.dtype == "float64" and np.abs(log_det - volume).max() > 0.1
    np.testing.assert_allclose(log_det, jacobian_log_det(whole, x), rtol=1e-5)


def test_round_trip_after_training():
    flow, x = trained().flow, smooth_pictures(16)
    inputs = with_labels(flow, x)
    np.testing.assert_array_equal(flow.reconstruct(*inputs), x)
    whole, floats = Whole(flow), (x / 256).astype("float32")
    latent = array(whole.model([floats, inputs[1]]))
    np.testing.assert_allclose(array(whole.inverse([latent, inputs[1]])), floats, atol=1e-5)
    sample = flow.sample(16, temperature=0.7, seed=0, context=inputs[1])
    assert sample.shape == x.shape and sample.dtype == "uint8"


def test_all_weights_are_trained_and_the_loss_falls():
    run = trained()
    assert len(run.before) > 60 and not run.unchanged
    assert run.losses[-1] < run.losses[0] - 1


def test_it_starts_as_the_affine_map_of_the_pixels():
    flow, x = eager(small()), smooth_pictures(64)
    z = patches(x).reshape(64, -1)
    np.testing.assert_allclose(array(flow.encoder(x)), z, atol=1e-6)
    expected = 7 + np.log2(2 * np.pi) / 2 + (z**2).mean() / (2 * np.log(2))
    assert flow.bits_per_dim(x).mean() == pytest.approx(expected, abs=1e-3)


ROW, COLUMN = np.indices((4, 4))


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize(
    "pattern,moves",
    [
        ("checkerboard", (ROW + COLUMN) % 2 == 1),
        ("columns", COLUMN % 2 == 1),
        ("rows", ROW % 2 == 1),
    ],
)
def test_couplings_of_patches_transform_one_half(pattern, moves, steps):
    flow, x = small(steps=steps, every=1, spatial=(pattern,)), smooth_pictures(2)
    last = [v for v in flow.encoder.layers if isinstance(v, Coupling)][-1]
    perturb(last)
    moved = array(flow.encoder(x)).reshape(2, 4, 4, 4) != patches(x).reshape(2, 4, 4, 4)
    expected = moves if steps == 1 else ~moves
    np.testing.assert_array_equal(moved, np.broadcast_to(expected[..., None], moved.shape))


def test_the_couplings_are_those_of_the_paper():
    flow = Jet(**{**SIZES, "steps": 11, "hidden": 64, "blocks": 2})
    couplings = [v for v in flow.encoder.layers if isinstance(v, Coupling)]
    tokens = [v.net_shape[1] for v in couplings]
    assert tokens == 2 * [16, 16, 16, 16, 8] + [16]
    assert [v.flip for v in couplings] == 9 * [False] + [True, False]
    assert all(v.scale == "double_sigmoid" and len(v.net.blocks) == 2 for v in couplings)
    orders = [array(v.order) for v in flow.encoder.layers if isinstance(v, Permute)]
    assert len({tuple(order) for order in orders}) > 5


def test_a_seed_fixes_the_permutations():
    orders = [
        [array(v.order).tolist() for v in small(seed=seed).encoder.layers if isinstance(v, Permute)]
        for seed in (1, 1, 2)
    ]
    assert orders[0] == orders[1] != orders[2]


def test_the_density_depends_on_the_class_which_is_required():
    flow, x = perturb(eager(small(classes=CLASSES))), smooth_pictures(1)
    x = np.repeat(x, CLASSES, axis=0)
    z = flow.encode(x, np.arange(CLASSES))
    assert np.abs(np.diff(z, axis=0)).max(axis=1).min() > 1e-3
    with pytest.raises(ValueError, match="Received"):
        flow.log_prob(x)


@pytest.mark.parametrize("options", [{}, {"classes": CLASSES, "spatial": ("rows",)}])
def test_saving_loading_and_cloning(options, tmp_path):
    flow, x = perturb(eager(small(**options)), 0.1), smooth_pictures(4)
    inputs = with_labels(flow, x)
    z = flow.encode(*inputs)
    flow.save(tmp_path / "flow.keras")
    again = eager(keras.saving.load_model(tmp_path / "flow.keras"))
    np.testing.assert_allclose(again.encode(*inputs), z, atol=1e-6)
    np.testing.assert_array_equal(again.decode(z, *inputs[1:]), x)
    copy = keras.models.clone_model(flow.encoder)
    copy.set_weights(flow.encoder.get_weights())
    np.testing.assert_allclose(array(copy(inputs if flow.conditional else x)), z, atol=1e-6)


@pytest.mark.parametrize(
    "options,why",
    [
        ({"patch": 3}, "divisible by"),
        ({"patch": 0}, "patch is a whole number"),
        ({"image_shape": (8, 8)}, "height, width, channels"),
        ({"steps": 0}, "steps"),
        ({"every": 0}, "every"),
        ({"blocks": 0}, "blocks"),
        ({"hidden": 9, "heads": 2}, "divisible by heads"),
        ({"classes": 0}, "classes"),
        ({"spatial": "rows"}, "spatial is a tuple"),
        ({"spatial": ("diagonals",)}, "spatial is a tuple"),
        ({"patch": 8}, r"checkerboard.*\(2, 2\)"),
        ({"patch": (2, 8), "spatial": ("rows", "columns")}, r"columns.*\(1, 2\)"),
        ({"patch": 1, "spatial": ()}, "outputs"),
        ({"levels_per_channel": 1}, "levels"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_options_that_cannot_work_are_refused(options, why):
    with pytest.raises(ValueError, match=f"(?s){why}.*Received"):
        small(**options)
