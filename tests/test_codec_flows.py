"""The codec with integer flows: trained and untrained, on all backends, and from a terminal."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from PIL import Image

from keras_flows import cli, codec, datasets
from keras_flows.codec.precise import model_hash
from keras_flows.models import IDF, NICE
from tests.codec_worker import digest

BACKENDS = ("tensorflow", "jax", "torch")
SMALL = {"levels": 1, "steps": 2, "hidden": 8, "blocks": 1, "mixture": 2, "seed": 0}


def crops(n, size, seed=0):
    """Squares of MNIST's test pictures, `(n, size, size, 1)`."""
    _, (x, _) = datasets.mnist()
    rng = np.random.default_rng(seed)
    x = x[rng.permutation(len(x))[:n]]
    start = (28 - size) // 2
    return x[:, start : start + size, start : start + size, None]


@pytest.fixture(scope="module")
def flow():
    """A flow of 8 x 8 pixels after a few steps."""
    keras.utils.set_random_seed(0)
    flow = IDF((8, 8, 1), variant="plus", name="small", **SMALL)
    flow.compile(keras.optimizers.Adamax(0.05))
    flow.fit(crops(1000, 8, seed=1), batch_size=50, epochs=8, verbose=0)
    return flow


@pytest.fixture(scope="module")
def folder(flow, tmp_path_factory):
    """A folder with the saved flow and pictures of several kinds."""
    path = tmp_path_factory.mktemp("codec")
    flow.save(path / "small.keras")
    np.save(path / "crops.npy", crops(30, 8))
    rng = np.random.default_rng(0)
    (path / "mixed" / "inner").mkdir(parents=True)
    shapes = {"a": (9, 12), "b": (8, 8, 3), "inner/c": (5, 17, 4), "inner/d": (3, 3, 2)}
    for name, shape in shapes.items():
        Image.fromarray(rng.integers(0, 256, shape, "uint8")).save(path / "mixed" / f"{name}.png")
    with zipfile.ZipFile(path / "mixed.zip", "w") as file:
        file.write(path / "mixed" / "b.png", "zipped/b.png")
    return path


def test_bits_on_disk_are_those_of_the_probability(flow):
    x = crops(600, 8)
    data = codec.compress(flow, x)
    np.testing.assert_array_equal(codec.decompress(data, flow, batch_size=37), x)
    bits = -flow.log_prob(x).sum() / np.log(2)
    lanes = sum(len(chunk.lanes) for chunk in codec.Archive(data)._container.chunks)
    assert 8 * len(data) < 1.01 * bits + 8 * 350 + 48 * lanes
    assert len(data) < 0.95 * x.size


@pytest.mark.parametrize("variant", ["paper", "plus"])
def test_untrained_flows_of_colours(variant):
    flow = IDF((4, 4, 3), variant=variant, **SMALL)
    rng = np.random.default_rng(0)
    flow.set_weights(
        [
            w + 0.1 * rng.normal(size=w.shape).astype(w.dtype) if w.dtype.kind == "f" else w
            for w in flow.get_weights()
        ]
    )
    x = rng.integers(0, 256, (33, 4, 4, 3), "uint8")
    grey = rng.integers(0, 256, (5, 6), "uint8")
    for batch_size in (1, 32):
        data = codec.compress(flow, x, batch_size=batch_size)
        np.testing.assert_array_equal(codec.decompress(data, flow, batch_size=9), x)
    data = codec.compress(flow, [grey, x[0]])
    np.testing.assert_array_equal(codec.decompress(data, flow)[0], grey)


def test_the_model_can_be_in_the_file(flow, tmp_path):
    x = crops(3, 8)
    size = codec.compress(flow, x, tmp_path / "x.kfz", embed=True)
    assert size > 20_000
    np.testing.assert_array_equal(codec.decompress(tmp_path / "x.kfz"), x)


def test_weights_that_change_make_another_model(flow):
    data = codec.compress(flow, crops(3, 8))
    before = flow.get_weights()
    try:
        flow.set_weights([w + (w.dtype.kind == "f") * w.dtype.type(1e-3) for w in before])
        with pytest.raises(ValueError, match="another model"):
            codec.decompress(data, flow)
        np.testing.assert_array_equal(
            codec.decompress(codec.compress(flow, crops(3, 8)), flow), crops(3, 8)
        )
    finally:
        flow.set_weights(before)
    np.testing.assert_array_equal(codec.decompress(data, flow), crops(3, 8))


def with_stack(config, stack):
    """The config with another `stack` in all chains."""
    if isinstance(config, dict):
        return {k: stack if k == "stack" else with_stack(v, stack) for k, v in config.items()}
    return [with_stack(v, stack) for v in config] if isinstance(config, (list, tuple)) else config


def test_the_hash_does_not_depend_on_how_weights_are_stored():
    """Backends stack the weights of couplings that repeat from different numbers on."""
    flow = IDF((4, 4, 1), variant="plus", **{**SMALL, "hidden": 4})
    counts = set()
    for stack in (True, False):
        config = with_stack(keras.saving.serialize_keras_object(flow), stack)
        other = keras.saving.deserialize_keras_object(config)
        for a, b in zip(flow._flatten_layers(), other._flatten_layers()):
            store = {}
            a.save_own_variables(store)
            b.load_own_variables(store)
        counts.add(len(other.weights))
        assert model_hash(other) == model_hash(flow)
    assert len(counts) == 2


def test_other_flows_are_refused():
    with pytest.raises(ValueError, match="takes a flow of integers.*Received: nice"):
        codec.compress(NICE(64, steps=2, hidden=(4,)), crops(3, 8))


def other_backends():
    """The other backends that are installed; skips the test if there are none."""
    names = [name for name in BACKENDS if name != keras.backend.backend()]
    installed = [name for name in names if importlib.util.find_spec(name)]
    return installed or pytest.skip(f"none of {names} is installed")


def decoded_elsewhere(backend, model, file, batch_size):
    environment = {**os.environ, "KERAS_BACKEND": backend}
    environment["XLA_FLAGS"] = "--xla_backend_optimization_level=0"
    environment["PYTHONPATH"] = str(pathlib.Path(__file__).parents[1])
    command = [sys.executable, "-m", "tests.codec_worker", model, file, str(batch_size)]
    options = {"env": environment, "cwd": environment["PYTHONPATH"], "text": True}
    result = subprocess.run(command, capture_output=True, timeout=1800, **options)
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout.split()[-2:]


def test_another_backend_reads_the_file(flow, folder, tmp_path):
    backend, x = other_backends()[-1], crops(50, 8)
    codec.compress(flow, x, tmp_path / "x.kfz")
    assert decoded_elsewhere(backend, folder / "small.keras", tmp_path / "x.kfz", 7) == [
        backend,
        digest(x),
    ]


@pytest.mark.slow
def test_a_thousand_pictures_come_back_on_all_backends(tmp_path):
    backends = other_backends()
    keras.utils.set_random_seed(0)
    options = {"levels": 2, "steps": 4, "hidden": 32, "blocks": 3, "mixture": 3, "seed": 0}
    flow = IDF((28, 28, 1), variant="plus", **options)
    flow.compile(keras.optimizers.Adamax(0.003))
    flow.fit(crops(2000, 28, seed=1), batch_size=50, epochs=2, verbose=0)
    x = crops(1000, 28)
    flow.save(tmp_path / "flow.keras")
    codec.compress(flow, x, tmp_path / "x.kfz")
    for backend, batch_size in zip(backends, (100, 33)):
        result = decoded_elsewhere(backend, tmp_path / "flow.keras", tmp_path / "x.kfz", batch_size)
        assert result == [backend, digest(x)]


@pytest.fixture
def run(folder, tmp_path, monkeypatch, capsys, flow):
    """Runs a command in an empty folder; names of files in `folder` are replaced by their paths."""
    monkeypatch.setattr(keras.models, "load_model", lambda path: flow)
    monkeypatch.chdir(tmp_path)

    def run(line):
        cli.main([str(folder / w) if (folder / w).exists() else w for w in line.split()])
        return capsys.readouterr().out

    return run


def test_pictures_from_a_terminal(run, folder, tmp_path):
    text = run("compress small.keras mixed mixed.zip --out x.kfz")
    assert "5 pictures, 850 bytes of pixels" in text
    text = run("inspect x.kfz")
    assert "5, with names" in text and "small, " in text and "(8, 8, 1)" in text
    assert run("decompress x.kfz --model small.keras --out back") == "back\n"
    for path in (folder / "mixed").rglob("*.png"):
        back = tmp_path / "back" / path.relative_to(folder / "mixed")
        np.testing.assert_array_equal(np.asarray(Image.open(back)), np.asarray(Image.open(path)))
    assert (tmp_path / "back" / "zipped" / "b.png").exists()
    assert len(list((tmp_path / "back").rglob("*"))) == 7


def test_arrays_and_patterns_from_a_terminal(run, folder, tmp_path):
    run("compress small.keras crops.npy --out x.kfz --batch-size 8 --no-verify")
    run("decompress x.kfz --model small.keras --out back.npy")
    np.testing.assert_array_equal(np.load("back.npy"), np.load(folder / "crops.npy"))
    run("decompress x.kfz --model small.keras --out back")
    assert len(list((tmp_path / "back").glob("0000*.png"))) == 30
    run(f"compress small.keras {folder}/mixed/**/*.png --out y.kfz")
    assert "4, with names" in run("inspect y.kfz")


@pytest.mark.parametrize(
    "line, message",
    [
        ("compress small.keras none.png", "no none.png: give picture files"),
        ("compress small.keras crops.npy --out x.zip", "must end in one of .kfz"),
        ("compress small.keras text.png", "text.png is damaged or no picture"),
        ("compress small.keras deep.png", "16 bits a channel|mode I;16"),
        ("compress small.keras moves.gif", "2 frames"),
        ("compress small.keras wrong.npy", "float64 of shape"),
        ("inspect crops.npy", "does not begin with KFZ"),
        ("decompress crops.npy", "does not begin with KFZ"),
        ("inspect none.kfz", "no file none.kfz"),
    ],
)
def test_what_a_terminal_says_of_bad_input(run, line, message):
    pathlib.Path("text.png").write_text("no picture")
    Image.fromarray(np.zeros((4, 4), "uint16")).save("deep.png")
    frames = [Image.fromarray(np.full((4, 4), i, "uint8")) for i in (0, 200)]
    frames[0].save("moves.gif", save_all=True, append_images=frames[1:])
    np.save("wrong.npy", np.zeros((3, 8, 8)))
    with pytest.raises(SystemExit) as error:
        run(line)
    assert re.search(message, str(error.value)), error.value
    assert not pathlib.Path("pictures.kfz").exists()


def test_names_that_lead_elsewhere_are_refused(run, flow):
    for name in ("../a.png", "/a.png", "a/./b.png", "a.sh", "a\\b.png", "c:a.png"):
        codec.compress(flow, crops(1, 8), "x.kfz", names=[name])
        with pytest.raises(SystemExit, match="not safe to unpack"):
            run("decompress x.kfz --model small.keras --out back")
    assert not pathlib.Path("back").exists()
