"""Loaders. Each names the missing or damaged file in its error."""

import gzip
import pathlib
import zipfile
import zlib

import keras
import numpy as np

BUNDLED = pathlib.Path("reproductions", "data", "mnist.npz")  # in a source checkout
KEYS = ("x_train", "y_train", "x_test", "y_test")
IDX_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def mnist(path=None):
    """MNIST as `((x_train, y_train), (x_test, y_test))`, uint8, pictures `(n, 28, 28)`.

    Args:
        path: an npz in Keras' layout, or a folder with the four idx files,
            gzipped or not. If None, the copy of a source checkout, installed
            from in place or the current folder, else
            Keras' cache or download.

    Raises FileNotFoundError or ValueError that names the file.

    >>> (x_train, _), (x_test, _) = keras_flows.datasets.mnist()
    """
    if path is None:
        places = [pathlib.Path(__file__).parents[1] / BUNDLED, BUNDLED]
        path = next((place for place in places if place.exists()), None)
    if path is None:
        return _download()
    path = pathlib.Path(path)
    if not path.exists():
        raise FileNotFoundError(f"No data at {path}: an npz file or a folder of idx files.")
    arrays = [_read_idx(path, name) for name in IDX_NAMES] if path.is_dir() else _read_npz(path)
    for name, x in zip(KEYS, arrays):
        wanted = (28, 28) if name.startswith("x") else ()
        if x.dtype != np.uint8 or x.shape[1:] != wanted or not len(x):
            raise ValueError(
                f"{path} is not MNIST: {name} should be uint8 of shape {('n', *wanted)}. "
                f"Received: dtype={x.dtype}, shape={x.shape}."
            )
    x_train, y_train, x_test, y_test = arrays
    return (x_train, y_train), (x_test, y_test)


def _download():
    try:
        return keras.datasets.mnist.load_data()
    except Exception as error:  # Keras raises a bare Exception where there is no network.
        raise OSError(f"MNIST is not here and cannot be fetched; give --data. {error}") from None


def _read_npz(path):
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is damaged or no npz file.")
    try:
        with np.load(path) as file:
            missing = [key for key in KEYS if key not in file]
            if missing:
                raise ValueError(f"{path} has no {missing}. Received: keys {list(file)}.")
            return [file[key] for key in KEYS]
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def _read_idx(folder, name):
    found = [p for p in (folder / name, folder / f"{name}.gz") if p.exists()]
    if not found:
        raise FileNotFoundError(f"There is no {name} and no {name}.gz in {folder}.")
    try:
        raw = gzip.open(found[0]).read() if found[0].suffix == ".gz" else found[0].read_bytes()
    except (OSError, EOFError) as error:
        raise ValueError(f"{found[0]} is damaged: {error}") from error
    rank = int(name.split("idx")[1][0])
    header = np.frombuffer(raw[: 4 + 4 * rank], ">u4")
    if len(header) != 1 + rank or header[0] != 0x800 + rank:
        raise ValueError(f"{found[0]} is no idx file of {rank} dimensions.")
    shape = tuple(int(n) for n in header[1:])
    body = np.frombuffer(raw[4 + 4 * rank :], np.uint8)
    if len(body) != np.prod(shape):
        raise ValueError(f"{found[0]} is cut short: {len(body)} of {np.prod(shape)} bytes.")
    return body.reshape(shape)


def as_input(flow, pixels):
    """Pixels 0..255 as the flow wants them: its shape, and integers or floats in [0, 1]."""
    pixels = np.asarray(pixels).reshape(-1, *flow.encoder.input_shape[1:])
    if keras.backend.is_float_dtype(keras.backend.standardize_dtype(flow.encoder.inputs[0].dtype)):
        return (pixels / np.float32(255)).astype("float32")
    return pixels
