"""The recipes for pictures and the console commands, on a folder of pictures."""

import json

import imageio.v3 as iio
import keras
import numpy as np
import pytest

from keras_flows import cli
from keras_flows.plots import manipulation
from keras_flows.recipes import glow_celeba, glow_cifar10, glow_mnist
from keras_flows.recipes.parts.glow_options import build_glow
from keras_flows.training.image_data import held_out
from keras_flows.training.image_plots import level_temperatures

SMALL = "--img-size 8 --level 1 --depth 1 --hidden 4 --holdout 16 --batch-size 8".split()
RUN = [*SMALL, *"--steps-per-epoch 3 --rows 2 --columns 3 --learning-rate 0.01".split()]


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Bright and dark pictures, and an attribute file that says which."""
    folder, rng = tmp_path_factory.mktemp("faces"), np.random.default_rng(0)
    rows = []
    for i in range(80):
        picture = rng.integers(0, 100, (10, 9, 3)) + 150 * (i % 2)
        iio.imwrite(folder / f"{i:06d}.png", picture.astype("uint8"))
        rows.append(f"{i:06d}.jpg {1 if i % 2 else -1}")
    text = f"{len(rows)}\nBright\n" + "\n".join(rows)
    (folder / "list_attr_celeba.txt").write_text(text)
    return folder


def run(faces, out, *more):
    cache = out.parent / "cache"
    options = ["--data", faces, "--cache", cache, "--out", out, *more]
    glow_celeba.main([*RUN, *map(str, options)])
    return json.loads((out / "metrics.json").read_text())


@pytest.fixture(scope="module")
def whole(faces, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "whole"
    return out, run(faces, out, "--epochs", "2", "--bits", "5")


def test_the_run_leaves_pictures_and_bits(whole):
    out, metrics = whole
    for name in ("grid", "temperature", "interpolation", "reconstruction", "epoch_002"):
        assert iio.imread(out / f"{name}.png").max() > 0, name
    assert metrics["training_pictures"] == 48 and metrics["test"]["pictures"] == 16
    assert metrics["reconstruction_error"] == 0 and metrics["inversion_error"] < 1e-2
    assert metrics["epochs"][1]["loss"] < metrics["epochs"][0]["loss"]
    assert 3 < metrics["test"]["bits_per_dim"] < 6
    flow = keras.models.load_model(out / "glow_celeba.keras")
    assert flow.levels == 32


@pytest.mark.slow
def test_a_resumed_run_sees_the_same_pictures(whole, faces, tmp_path):
    out = tmp_path / "resumed"
    run(faces, out, "--epochs", "1", "--bits", "5")
    metrics = run(faces, out, "--epochs", "2", "--bits", "5", "--resume")
    losses = [[row["loss"] for row in m["epochs"]] for m in (metrics, whole[1])]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    with pytest.raises(ValueError, match="bits"):
        run(faces, out, "--epochs", "3", "--bits", "4", "--resume")


def test_an_attribute_moves_pictures_along_it(whole, faces, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    model, out = str(whole[0] / "glow_celeba.keras"), tmp_path / "strip.png"
    command = ["manipulate", model, "--data", str(faces), "--out", str(out)]
    cli.main([*command, "--attribute", "Bright", "--grid", "2x5"])
    strip = iio.imread(out)
    means = strip.reshape(2, 8, 5, 8, 3).mean((0, 1, 3, 4))
    assert np.all(np.diff(means) > 0)
    cli.main([*command, "--attribute", "Bright", "--image", str(faces / "000001.png")])
    assert iio.imread(out).shape == (8, 72, 3)
    with pytest.raises(SystemExit, match="Smiling"):
        cli.main([*command, "--attribute", "Smiling"])
    cli.main(["evaluate", model, "--data", str(faces), "--limit", "20"])
    assert "bits/dim" in capsys.readouterr().out


def test_every_command_takes_a_folder(whole, faces, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    model, out = str(whole[0] / "glow_celeba.keras"), tmp_path / "grid.png"
    for command in ("reconstruct", "interpolate"):
        options = ["--data", str(faces), "--grid", "2x3", "--out", str(out)]
        cli.main([command, model, *options])
        assert iio.imread(out).shape == (16, 24, 3)
    cli.main(["sample", model, "--temperature", "0.5", "--grid", "2x3", "--out", str(out)])
    with pytest.raises(SystemExit, match="latent_levels"):
        cli.main(["sample", model, "--temperature", "0.5", "1", "--out", str(out)])
    with pytest.raises(SystemExit, match="--data"):
        cli.main(["evaluate", model])


def test_a_direction_needs_both_kinds(whole):
    flow = keras.models.load_model(whole[0] / "glow_celeba.keras")
    x = np.zeros((4, 8, 8, 3), "uint8")
    with pytest.raises(ValueError, match="both kinds.*Received"):
        manipulation.attribute_direction(flow, x, [True] * 4)


def test_dry_run_writes_nothing(faces, tmp_path, capsys):
    out = tmp_path / "none"
    options = ["--data", faces, "--cache", tmp_path / "cache", "--out", out, "--dry-run"]
    glow_celeba.main([*SMALL, *map(str, options)])
    assert not out.exists() and "peak memory" in capsys.readouterr().out


def test_a_holdout_that_leaves_nothing_is_refused(faces, tmp_path):
    with pytest.raises(ValueError, match="holdout.*Received"):
        run(faces, tmp_path, "--holdout", "80")


def test_without_a_holdout_a_tenth_is_held_out(faces, tmp_path):
    options = ["--data", str(faces), "--cache", str(tmp_path), "--img-size", "8", "--level", "1"]
    args = glow_celeba.main.options(options)
    data = glow_celeba.load(args)
    assert args.holdout == len(data.validation) == len(data.test) == 8 and data.size == 64


def test_small_pictures_are_enlarged_with_the_option(faces, tmp_path):
    options = ["--data", str(faces), "--cache", str(tmp_path), "--img-size", "16"]
    with pytest.raises(ValueError, match="80 smaller than 16.*--enlarge"):
        glow_celeba.load(glow_celeba.main.options(options))
    data = glow_celeba.load(glow_celeba.main.options([*options, "--enlarge"]))
    assert data.size == 64 and data.train.shape[1:] == (16, 16, 3)


def test_a_handful_of_pictures_holds_out_one(tmp_path):
    for i in range(4):
        iio.imwrite(tmp_path / f"{i}.png", np.zeros((20, 20, 3), "uint8"))
    args = glow_celeba.main.options(["--data", str(tmp_path), "--img-size", "8", "--level", "1"])
    args.cache = tmp_path / "cache"
    data = glow_celeba.load(args)
    assert args.holdout == len(data.validation) == len(data.test) == 1


def test_the_variant_sets_the_options_that_are_none():
    blog = glow_celeba.main.options(["--data", "faces"])
    assert (blog.optimizer, blog.learning_rate, blog.warmup) == ("adam", 1e-4, 0)
    assert (blog.level, blog.hidden, blog.batch_size, blog.steps_per_epoch) == (3, 512, 64, 1000)
    flow = build_glow(blog_small := glow_celeba.main.options(["--data", "f", *SMALL]), (8, 8, 3))
    assert blog_small.variant == "blog" and not flow.needs_adapt
    paper = glow_cifar10.main.options(["--learning-rate", "0.5"])
    assert (paper.optimizer, paper.learning_rate, paper.warmup) == ("adamax", 0.5, 1000)
    assert glow_mnist.main.options([]).warmup == 500


def test_held_out_pictures_are_the_last_ones():
    args = glow_mnist.main.options(["--holdout", "3", "--limit", "4"])
    x = np.arange(10)
    data = held_out(x, x[:2], args, (x + 10, x[:2] + 10))
    assert data.train.tolist() == [0, 1, 2, 3] and data.validation.tolist() == [7, 8, 9]
    assert [y.tolist() for y in data.labels] == [[10, 11, 12, 13], [17, 18, 19], [10, 11]]
    args.holdout = 10
    with pytest.raises(ValueError, match="holdout.*Received"):
        held_out(x, x, args)


def test_temperatures_level_by_level():
    assert level_temperatures(2, 0.5) == [[0.0, 0.5], [0.5, 0.0], 0.5]
