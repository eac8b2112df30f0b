"""Loaders of MNIST and CIFAR-10, and their pixels as inputs of flows."""

import gzip
import os
import types

import keras
import numpy as np
import pytest

from keras_flows import datasets
from keras_flows.data import safe_reading
from keras_flows.data.idx import IDX_NAMES
from tests.flows import pixel_flow
from tests.images import in_time


def tiny():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (5, 28, 28), "uint8"), rng.integers(0, 10, 5, "uint8")
    return {"x_train": x, "y_train": y, "x_test": x[:2], "y_test": y[:2]}


def write_idx(folder, gzipped):
    for name, x in zip(IDX_NAMES.values(), tiny().values()):
        header = np.array([0x800 + x.ndim, *x.shape], ">u4").tobytes()
        path = folder / (f"{name}.gz" if gzipped else name)
        path.write_bytes(gzip.compress(header + x.tobytes()) if gzipped else header + x.tobytes())


def test_bundled_mnist_is_complete():
    (x_train, y_train), (x_test, y_test) = datasets.mnist()
    assert x_train.shape == (60000, 28, 28) and x_test.shape == (10000, 28, 28)
    assert x_train.mean() == pytest.approx(33.3184, abs=1e-4)
    assert np.bincount(y_test).tolist()[:3] == [980, 1135, 1032] and len(y_train) == 60000


@pytest.mark.parametrize("gzipped", [True, False])
def test_mnist_from_idx_files(tmp_path, gzipped):
    write_idx(tmp_path, gzipped)
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
    raw = (tmp_path / "m.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(ValueError, match="cut.npz is damaged"):
        datasets.mnist(tmp_path / "cut.npz")
    (tmp_path / "text.npz").write_text("no data")
    with pytest.raises(ValueError, match="text.npz is damaged"):
        datasets.mnist(tmp_path / "text.npz")
    write_idx(tmp_path, gzipped=False)
    images = tmp_path / IDX_NAMES["x_train"]
    images.write_bytes(images.read_bytes()[:-7])
    with pytest.raises(ValueError, match="train-images.*cut short"):
        datasets.mnist(tmp_path)


@pytest.mark.parametrize("change", [{"x_train": None}, {"x_test": np.zeros((2, 8, 8), "uint8")}])
def test_npz_with_other_arrays_is_refused(tmp_path, change):
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


def test_cifar10_comes_from_keras_or_the_error_says_what_to_do(monkeypatch):
    x_train, y_train, x_test, y_test = tiny_colors().values()
    data = (x_train, y_train), (x_test, y_test)
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", lambda: data)
    assert datasets.cifar10()[0][1].shape == (5,)

    def no_network():
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.datasets.cifar10, "load_data", no_network)
    with pytest.raises(OSError, match="CIFAR-10 is not on this .*--data.*URL fetch failure"):
        datasets.cifar10()


def test_other_files_are_not_cifar10(tmp_path):
    np.savez(tmp_path / "m.npz", **tiny())
    with pytest.raises(ValueError, match="m.npz is not CIFAR-10: x_train.*Received"):
        datasets.cifar10(tmp_path / "m.npz")
    with pytest.raises(FileNotFoundError, match="nowhere.npz: give an npz, npy or idx file of C"):
        datasets.cifar10(tmp_path / "nowhere.npz")


def fake_flow(levels, shape=(2, 2, 1)):
    """The attributes of a flow that `as_input` reads; the flow has data and a condition."""
    inputs = keras.Input(shape, dtype="uint8" if levels else "float32"), keras.Input((3,))
    encoder = types.SimpleNamespace(inputs=inputs)
    return types.SimpleNamespace(encoder=encoder, levels=levels, discrete=levels is not None)


@pytest.mark.parametrize("form", ["npz", "bare npz", "npy", "idx", "idx.gz", "folder"])
def test_pictures_without_labels(tmp_path, form):
    x = np.arange(23 * 784).reshape(23, 28, 28).astype("uint8")
    path = tmp_path / "pictures"
    raw = np.array([0x803, *x.shape], ">u4").tobytes() + x.tobytes()
    if form == "npz":
        np.savez(path.open("wb"), x_train=x, x_test=x[:3])
    elif form == "bare npz":
        np.savez(path.open("wb"), x)
    elif form == "npy":
        np.save(path.open("wb"), x.reshape(23, 784))
    elif form == "folder":
        path.mkdir()
        (path / IDX_NAMES["x_train"]).write_bytes(raw)
        (path / IDX_NAMES["x_test"]).write_bytes(raw[:4] + b"\0\0\0\3" + raw[8 : 16 + 3 * 784])
    else:
        path.write_bytes(gzip.compress(raw) if form == "idx.gz" else raw)
    (x_train, y_train), (x_test, y_test) = datasets.mnist(path, labels=False)
    assert y_train is None and y_test is None
    is_split = form in ("npz", "folder")
    assert np.array_equal(x_test, x[:3] if is_split else x[[9, 19]])
    assert np.array_equal(x_train, x if is_split else np.delete(x, [9, 19], axis=0))
    with pytest.raises(ValueError, match="pictures has no y_train and no y_test.*labels=False"):
        datasets.mnist(path)


def test_labels_without_a_test_set_are_split_like_the_pictures(tmp_path):
    arrays = {"x_train": tiny()["x_train"][[0] * 20], "y_train": np.arange(20)}
    np.savez(tmp_path / "m.npz", **arrays)
    (x, y), (x_test, y_test) = datasets.mnist(tmp_path / "m.npz")
    assert len(x) == len(y) == 18 and y_test.tolist() == [9, 19] and len(x_test) == 2
    np.savez(tmp_path / "m.npz", **{**tiny(), "y_train": np.arange(4)})
    with pytest.raises(ValueError, match="m.npz has 5 x_train. Received: 4 y_train"):
        datasets.mnist(tmp_path / "m.npz")


def test_integers_in_range_are_read_and_other_pixels_refused(tmp_path):
    path, arrays = tmp_path / "m.npz", tiny()
    np.savez(path, **{key: x.astype("int64") for key, x in arrays.items()})
    (x, y), _ = datasets.mnist(path)
    assert x.dtype == y.dtype == np.uint8 and np.array_equal(x, arrays["x_train"])
    wide, unit = arrays["x_train"].astype("uint16") * 200, arrays["x_train"] / np.float32(255)
    for bad, message in [
        (wide, "x_train must be integers from 0 to 255.*Received: dtype=uint16, from 0 to 51000"),
        (unit, r"x_train must .*\(255 \* x\).round.*Received: dtype=float32, from 0.0 to 1"),
        (wide * 1.0, "x_train must .*255. Received: dtype=float64, from 0.0 to 51000.0"),
    ]:
        np.savez(path, **{**arrays, "x_train": bad})
        with pytest.raises(ValueError, match=f"m.npz, {message}"):
            datasets.mnist(path)
    with pytest.raises(ValueError, match="Pixels must be .* 0 to 255.*uint16, from 7800 to 36"):
        datasets.as_input(fake_flow(32), wide[0, :2, :2])
    assert datasets.as_input(fake_flow(65536), wide[:1, :2, :2]).dtype == np.uint16


def test_arrays_of_objects_are_refused_with_file_and_key(tmp_path):
    np.savez(tmp_path / "m.npz", **{**tiny(), "y_train": np.array([1, None, 2, 3, 4])})
    with pytest.raises(ValueError, match="m.npz, y_train is an array of Python objects.*Received"):
        datasets.mnist(tmp_path / "m.npz")


@pytest.mark.parametrize("form", ["npz", "npy", "idx", "idx.gz"])
def test_arrays_too_large_are_refused_by_their_headers(tmp_path, monkeypatch, form):
    """4 GB when unpacked, a few bytes in the file: the data after the header is never read."""
    path, shape = tmp_path / f"m.{form}", (2**22, 28, 28)
    header = np.array([0x803, *shape], ">u4").tobytes() + bytes(10**4)
    if form == "npz":
        np.savez_compressed(path, x_train=np.zeros((30, 28, 28), "uint8"))
        monkeypatch.setattr(safe_reading, "ARRAY_BYTES", 10**4)
    elif form == "npy":
        with open(path, "wb") as file:
            fields = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, fields)
    else:
        path.write_bytes(gzip.compress(header) if "gz" in form else header)
    with pytest.raises(ValueError, match=f"m.{form}.* is too large: no more than .* bytes"):
        datasets.mnist(path, labels=False)


def test_a_file_shorter_than_its_header_says_is_damaged(tmp_path):
    np.save(tmp_path / "m.npy", tiny()["x_train"])
    raw = (tmp_path / "m.npy").read_bytes()
    (tmp_path / "m.npy").write_bytes(raw.replace(b"(5, 28, 28)", b"(500,28,28)"))
    with pytest.raises(ValueError, match="m.npy is damaged: its header says 392000 bytes.*: 3920"):
        datasets.mnist(tmp_path / "m.npy", labels=False)


def test_pipes_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(ValueError, match="pipe.npz is a .*pipe"):
        in_time(datasets.mnist, tmp_path / "pipe.npz")
    write_idx(tmp_path, gzipped=False)
    (tmp_path / IDX_NAMES["y_train"]).unlink()
    os.mkfifo(tmp_path / IDX_NAMES["y_train"])
    with pytest.raises(ValueError, match="train-labels-idx1-ubyte is a .*pipe"):
        in_time(datasets.mnist, tmp_path)


def test_input_is_reduced_to_the_flows_levels():
    pixels = np.array([[[0, 7], [8, 255]]], "uint8")
    for levels, expected in [(32, [0, 0, 1, 31]), (2, [0, 0, 0, 1]), (256, [0, 7, 8, 255])]:
        x = datasets.as_input(fake_flow(levels), pixels)
        assert x.shape == (1, 2, 2, 1) and x.dtype == np.uint8 and x.ravel().tolist() == expected
    x = datasets.as_input(fake_flow(None, (4,)), pixels)
    assert x.shape == (1, 4) and x.dtype == np.float32 and x[0, 3] == 1
    with pytest.raises(ValueError, match="power of two of levels.*levels=100"):
        datasets.as_input(fake_flow(100), pixels)


def test_input_of_a_flow_that_dequantizes():
    x = datasets.as_input(pixel_flow(levels=4), np.array([[0, 255], [64, 63]], "uint8"))
    assert x.tolist() == [[0, 3], [1, 0]]
