"""Loaders, pictures and whole files."""

import gzip

import imageio.v3 as iio
import numpy as np
import pytest

from keras_flows import datasets, grids
from keras_flows.files import written_whole


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
