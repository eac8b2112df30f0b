"""Loaders, pictures and whole files."""

import gzip
import types

import imageio.v3 as iio
import keras
import numpy as np
import pytest

from keras_flows import datasets, grids
from keras_flows.files import written_whole
from tests.flows import pixel_flow


def tiny():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (5, 28, 28), "uint8"), rng.integers(0, 10, 5, "uint8")
    return {"x_train": x, "y_train": y, "x_test": x[:2], "y_test": y[:2]}


def write_idx(folder, packed):
    for name, x in zip(datasets.IDX_NAMES, tiny().values()):
        header = np.array([0x800 + x.ndim, *x.shape], ">u4").tobytes()
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(header + x.tobytes()) if packed else header + x.tobytes())


def test_bundled_mnist_is_whole():
    (x_train, y_train), (x_test, y_test) = datasets.mnist()
    assert x_train.shape == (60000, 28, 28) and x_test.shape == (10000, 28, 28)
    assert x_train.mean() == pytest.approx(33.3184, abs=1e-4)
    assert np.bincount(y_test).tolist()[:3] == [980, 1135, 1032] and len(y_train) == 60000


@pytest.mark.parametrize("packed", [True, False])
def test_mnist_from_idx_files(tmp_path, packed):
    write_idx(tmp_path, packed)
    (x, y), (x_test, _) = datasets.mnist(tmp_path)
    assert np.array_equal(x, tiny()["x_train"]) and np.array_equal(y, tiny()["y_train"])
    assert len(x_test) == 2


def test_mnist_from_npz(tmp_path):
    np.savez(tmp_path / "m.npz", **tiny())
    assert np.array_equal(datasets.mnist(tmp_path / "m.npz")[0][0], tiny()["x_train"])


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.npz"):
        datasets.mnist(tmp_path / "nowhere.npz")
    with pytest.raises(FileNotFoundError, match="train-images"):
        datasets.mnist(tmp_path)


def test_damaged_files_are_named(tmp_path):
    np.savez(tmp_path / "m.npz", **tiny())
    whole = (tmp_path / "m.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cut.npz is damaged"):
        datasets.mnist(tmp_path / "cut.npz")
    (tmp_path / "text.npz").write_text("no data")
    with pytest.raises(ValueError, match="text.npz is damaged"):
        datasets.mnist(tmp_path / "text.npz")
    write_idx(tmp_path, packed=False)
    images = tmp_path / datasets.IDX_NAMES[0]
    images.write_bytes(images.read_bytes()[:-7])
    with pytest.raises(ValueError, match="train-images.*cut short"):
        datasets.mnist(tmp_path)


@pytest.mark.parametrize("change", [{"x_train": None}, {"x_test": np.zeros((2, 8, 8), "uint8")}])
def test_npz_of_something_else_is_refused(tmp_path, change):
    arrays = {k: v for k, v in {**tiny(), **change}.items() if v is not None}
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(ValueError, match="other.npz.*Received"):
        datasets.mnist(tmp_path / "other.npz")


def tiny_colors(labels=(5, 1)):
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 256, (5, 32, 32, 3), "uint8"), rng.integers(0, 10, labels, "uint8")
    return {"x_train": x, "y_train": y, "x_test": x[:2], "y_test": y[:2]}


@pytest.mark.parametrize("labels", [(5,), (5, 1)])
def test_cifar10_from_npz(tmp_path, labels):
    np.savez(tmp_path / "c.npz", **tiny_colors(labels))
    (x, y), (x_test, y_test) = datasets.cifar10(tmp_path / "c.npz")
    assert np.array_equal(x, tiny_colors()["x_train"]) and x_test.shape == (2, 32, 32, 3)
    assert np.array_equal(y, tiny_colors()["y_train"][:, 0]) and y_test.shape == (2,)


def test_cifar10_is_what_keras_has_or_says_what_to_do(monkeypatch):
    x_train, y_train, x_test, y_test = tiny_colors().values()
    whole = (x_train, y_train), (x_test, y_test)
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", lambda: whole)
    assert datasets.cifar10()[0][1].shape == (5,)

    def no_network():
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.datasets.cifar10, "load_data", no_network)
    with pytest.raises(OSError, match="CIFAR-10 is not here.*--data.*URL fetch failure"):
        datasets.cifar10()


def test_other_files_are_not_cifar10(tmp_path):
    np.savez(tmp_path / "m.npz", **tiny())
    with pytest.raises(ValueError, match="m.npz is not CIFAR-10: x_train.*Received"):
        datasets.cifar10(tmp_path / "m.npz")
    with pytest.raises(FileNotFoundError, match="nowhere.npz: an npz file[.]"):
        datasets.cifar10(tmp_path / "nowhere.npz")


def entry(levels, shape=(2, 2, 1)):
    """What `as_input` knows a flow by, with a condition beside its data."""
    inputs = keras.Input(shape, dtype="uint8" if levels else "float32"), keras.Input((3,))
    encoder = types.SimpleNamespace(inputs=inputs)
    return types.SimpleNamespace(encoder=encoder, levels=levels, discrete=levels is not None)


def test_input_is_reduced_to_the_flows_levels():
    pixels = np.array([[[0, 7], [8, 255]]], "uint8")
    for levels, wanted in [(32, [0, 0, 1, 31]), (2, [0, 0, 0, 1]), (256, [0, 7, 8, 255])]:
        x = datasets.as_input(entry(levels), pixels)
        assert x.shape == (1, 2, 2, 1) and x.dtype == np.uint8 and x.ravel().tolist() == wanted
    x = datasets.as_input(entry(None, (4,)), pixels)
    assert x.shape == (1, 4) and x.dtype == np.float32 and x[0, 3] == 1
    with pytest.raises(ValueError, match="power of two. Received.*levels=100"):
        datasets.as_input(entry(100), pixels)


def test_input_of_a_flow_that_dequantizes():
    x = datasets.as_input(pixel_flow(levels=4), np.array([[0, 255], [64, 63]], "uint8"))
    assert x.tolist() == [[0, 3], [1, 0]]


def test_pictures_round_and_clip():
    x = np.array([[-1.0, 0.0, 0.5, 2.0], [np.nan, 1 / 255, 1.0, np.inf]])
    pictures = grids.to_pictures(x)
    assert pictures.shape == (2, 2, 2, 1) and pictures.dtype == np.uint8
    assert pictures.ravel().tolist() == [0, 0, 128, 255, 0, 1, 255, 255]


def test_grid_is_filled_row_by_row():
    x = np.arange(5, dtype="uint8").reshape(5, 1, 1, 1)
    assert grids.grid(x, 2, 3)[..., 0].tolist() == [[0, 1, 2], [3, 4, 0]]


def test_pictures_of_no_square_need_a_shape():
    with pytest.raises(ValueError, match="Received"):
        grids.to_pictures(np.zeros((2, 6)))
    assert grids.to_pictures(np.zeros((2, 6)), (2, 1, 3)).shape == (2, 2, 1, 3)


def test_png_round_trip_and_refusal(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (4, 6, 3), "uint8")
    grids.write_png(tmp_path / "deep" / "p.png", picture)
    assert np.array_equal(iio.imread(tmp_path / "deep" / "p.png"), picture)
    with pytest.raises(ValueError, match="Received"):
        grids.write_png(tmp_path / "f.png", picture / 255)
    assert not (tmp_path / "f.png").exists()


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), written_whole(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
