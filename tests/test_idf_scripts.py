"""The recipes for IDF, and the sizes of pictures in other lossless formats."""

import json
import lzma

import imageio.v3 as iio
import keras
import numpy as np
import pytest

from keras_flows import codec
from keras_flows.data import datasets
from keras_flows.models import IDF
from keras_flows.recipes import idf_cifar10, idf_faces, idf_mnist
from keras_flows.recipes.parts import lossless_sizes
from keras_flows.recipes.parts.idf_options import build_idf
from tests.multiscale import smooth_pictures

SMALL = "--depth 1 --hidden 4 --blocks 1 --prior-hidden 4 --batch-size 8 --rows 2 --columns 2"
RUN = [*SMALL.split(), *"--epochs 2 --steps-per-epoch 3 --learning-rate 0.01".split()]


def metrics_of(recipe, out, *more):
    recipe.main([*RUN, "--out", str(out), *map(str, more)])
    return json.loads((out / "metrics.json").read_text())


@pytest.fixture
def few(monkeypatch):
    """MNIST of 128 training and 64 test pictures."""
    (x, y), (x_test, y_test) = datasets.mnist()
    sets = (x[:128], y[:128]), (x_test[:64], y_test[:64])
    monkeypatch.setattr(datasets, "mnist", lambda path=None, labels=True: sets)
    return x_test[:64]


@pytest.mark.slow
def test_a_run_on_mnist_reports_exact_bits_beside_other_formats(few, tmp_path):
    metrics = metrics_of(
        idf_mnist, tmp_path, *"--holdout 20 --learning-rate 0.001 --coded 20".split()
    )
    assert metrics["reconstruction_error"] == 0 and metrics["inversion_error"] is None
    assert metrics["test"]["pictures"] == 64 and 1 < metrics["test"]["bits_per_dim"] < 9
    sizes = metrics["lossless"]
    assert sizes["pictures_each"] == 64 and 1 < sizes["set"]["xz"] < sizes["each"]["png"] < 4
    coded = metrics["coded"]
    assert coded["pictures"] == 20 and coded["exact"] <= coded["set"] < coded["each"]
    flow = keras.saving.load_model(tmp_path / "idf_mnist.keras")
    assert flow.exact and (tmp_path / "grid.png").exists()


@pytest.mark.slow
def test_a_run_on_a_folder_of_pictures(tmp_path):
    for i, picture in enumerate(smooth_pictures(60, (9, 8, 3))):
        iio.imwrite(tmp_path / f"{i:02d}.png", picture)
    options = ["--data", tmp_path, "--cache", tmp_path / "cache", "--img-size", 8, "--level", 2]
    metrics = metrics_of(idf_faces, tmp_path / "run", *options, *"--holdout 10 --coded 0".split())
    assert metrics["reconstruction_error"] == 0 and metrics["test"]["pictures"] == 10
    assert {"png", "webp"} <= set(metrics["lossless"]["each"]) and "coded" not in metrics
    with pytest.raises(ValueError, match="divisible by 8.*Received"):
        idf_faces.main([*map(str, options[:-1]), "3", "--img-size", "12", "--out", str(tmp_path)])


@pytest.mark.parametrize(
    "recipe,shape", [(idf_mnist, (28, 28, 1)), (idf_cifar10, (32, 32, 3)), (idf_faces, (64, 64, 3))]
)
def test_the_default_models_fit_their_pictures(recipe, shape):
    more = ["--data", "faces"] if recipe is idf_faces else []
    args = recipe.main.options([*SMALL.split(), *more])
    flow = recipe.build(args)
    assert flow.data_shape == shape and flow.exact
    assert recipe.main.options(more).variant == "plus"


def test_without_normalisation_and_with_fewer_bits():
    args = idf_mnist.main.options([*SMALL.split(), "--norm", "none", "--bits", "5"])
    flow = build_idf(args, (4, 4, 1))
    assert flow.levels == 32 and not any("norm" in v.path for v in flow.weights)
    args.norm = "group"
    assert any("norm" in v.path for v in build_idf(args, (4, 4, 1)).weights)


def test_sizes_of_files_and_of_the_set(tmp_path):
    x = smooth_pictures(9, (16, 16, 3))
    sizes = lossless_sizes.lossless_sizes(x, formats=("png", "webp"), most=4)
    assert sizes["pictures_each"] == 4 and set(sizes["each"]) == {"png", "webp"}
    assert set(sizes["set"]) == {"png", "webp", "xz"}
    assert all(0.5 < v < 12 for part in ("each", "set") for v in sizes[part].values())
    assert sizes["set"]["png"] < sizes["each"]["png"]  # one header
    raw = len(lzma.compress(x.tobytes(), preset=9 | lzma.PRESET_EXTREME)) * 8 / x.size
    assert sizes["set"]["xz"] == pytest.approx(raw)


def test_sizes_of_files_of_the_codec():
    x = smooth_pictures(12, (8, 8, 1))
    flow = IDF((8, 8, 1), levels=2, steps=1, hidden=4, blocks=1, seed=0)
    sizes = lossless_sizes.coded_sizes(flow, x, most=5)
    some = lossless_sizes.evenly(x, 5)
    assert sizes["pictures"] == len(some) == 5
    assert sizes["exact"] == pytest.approx(flow.bits_per_dim(some).mean())
    assert sizes["set"] == 8 * len(codec.compress(flow, some)) / some.size
    assert sizes["exact"] < sizes["set"] < sizes["each"]


def test_the_mosaic_has_all_pictures():
    x = smooth_pictures(7, (4, 6, 1))
    tiles = lossless_sizes.mosaic(x)
    assert tiles.shape == (12, 18, 1)
    np.testing.assert_array_equal(tiles[4:8, 6:12], x[4])
    assert not tiles[8:, 6:].any()


def test_a_format_that_changes_pictures_is_refused(monkeypatch):
    monkeypatch.setitem(lossless_sizes.FORMATS, "jpeg", {"format": "JPEG"})
    with pytest.raises(ValueError, match="jpeg changed a picture.*Received"):
        lossless_sizes.lossless_sizes(smooth_pictures(2), formats=("jpeg",))
