"""The recipe `fvae_celeba` on a folder of small pictures."""

import json

import imageio.v3 as iio
import keras
import numpy as np
import pytest

from keras_flows.recipes import fvae_celeba

SMALL = "--img-size 8 --level 1 --blocks 1 --depth 1 --hidden 4 --holdout 8 --batch-size 8".split()
RUN = [*SMALL, *"--steps-per-epoch 2 --rows 2 --columns 3".split()]


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("faces"), np.random.default_rng(0)
    for i in range(40):
        iio.imwrite(folder / f"{i:06d}.png", rng.integers(0, 256, (10, 9, 3)).astype("uint8"))
    return folder


def run(faces, out, *more):
    options = ["--data", faces, "--cache", out.parent / "cache", "--out", out, *more]
    fvae_celeba.main([*RUN, *map(str, options)])
    return json.loads((out / "metrics.json").read_text())


@pytest.mark.slow
def test_the_run_leaves_its_files_and_is_resumed(faces, tmp_path):
    out = tmp_path / "run"
    first = run(faces, out, "--epochs", "1", "--bits", "5")
    names = "grid grid_1 lines corners reconstruction epoch_001".split()
    assert all(iio.imread(out / f"{name}.png").max() > 0 for name in names)
    assert first["test"]["pictures"] == 8 and 4 < first["test"]["bits_per_dim"] < 9
    assert [row["samples"] for row in first["importance"]] == [1, 16]
    assert np.isfinite(first["psnr"]) and first["pixel_std"] > 0
    assert keras.models.load_model(out / "fvae_celeba.keras").levels == 32
    resumed = run(faces, out, "--epochs", "2", "--bits", "5", "--resume")
    assert [row["epoch"] for row in resumed["epochs"]] == [1, 2]
    assert resumed["epochs"][0] == first["epochs"][0]


def test_the_blog_s_configuration_and_a_tarflow_are_options(faces):
    blog = "--img-size 128 --blocks 12 --depth 12 --hidden 256 --norm batch".split()
    args = fvae_celeba.main.options(["--data", "f", *blog, "--output-activation", "tanh"])
    assert (args.level, args.norm, args.output_activation) == (3, "batch", "tanh")
    args = fvae_celeba.main.options(["--data", "f", *SMALL, "--prior", "tarflow"])
    model = fvae_celeba.build(args)
    assert model.flow.name == "tarflow" and model.sample(2).shape == (2, 8, 8, 3)
