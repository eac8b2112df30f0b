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
    if path is not None and pathlib.Path(path).is_dir():
        arrays = [_read_idx(pathlib.Path(path), name) for name in IDX_NAMES]
    else:
        arrays = _read(path, keras.datasets.mnist, "MNIST", "an npz file or a folder of idx files")
    return _checked(arrays, path, "MNIST", (28, 28))


def cifar10(path=None):
    """CIFAR-10 as `((x_train, y_train), (x_test, y_test))`, uint8, pictures `(n, 32, 32, 3)`.

    Args:
        path: an npz in the keys of MNIST's, labels of shape `(n,)` or
            `(n, 1)`. If None, Keras' cache or download.

    Raises FileNotFoundError or ValueError that names the file.

    >>> (x_train, _), (x_test, _) = keras_flows.datasets.cifar10()
    """
    arrays = _read(path, keras.datasets.cifar10, "CIFAR-10", "an npz file")
    return _checked(arrays, path, "CIFAR-10", (32, 32, 3))


def _read(path, source, title, wanted):
    """The four arrays from an npz, or from Keras where there is no path."""
    if path is None:
        try:
            (x_train, y_train), (x_test, y_test) = source.load_data()
        except Exception as error:  # Keras raises a bare Exception where there is no network.
            raise OSError(
                f"{title} is not here and cannot be fetched; give --data. {error}"
            ) from None
        return [x_train, y_train, x_test, y_test]
    path = pathlib.Path(path)
    if not path.exists():
        raise FileNotFoundError(f"No data at {path}: {wanted}.")
    return _read_npz(path)


def _checked(arrays, path, title, shape):
    """The arrays in pairs, labels as vectors; ValueError where they are something else."""
    checked = []
    for name, x in zip(KEYS, arrays):
        labels, wanted = name.startswith("y"), () if name.startswith("y") else shape
        x = x[:, 0] if labels and x.shape[1:] == (1,) else x
        if x.dtype != np.uint8 or x.shape[1:] != wanted or not len(x):
            raise ValueError(
                f"{path or 'What Keras has'} is not {title}: {name} should be uint8 of shape "
                f"{('n', *wanted)}. Received: dtype={x.dtype}, shape={x.shape}."
            )
        checked.append(x)
    x_train, y_train, x_test, y_test = checked
    return (x_train, y_train), (x_test, y_test)


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
    """Pixels 0..255 as the flow wants them: its shape, and integers or floats in [0, 1].

    A flow of fewer than 256 levels gets the upper bits of each pixel.

    Raises ValueError unless the levels are a power of two.
    """
    entry = flow.encoder.inputs[0]  # conditions come after it
    pixels = np.asarray(pixels).reshape(-1, *entry.shape[1:])
    if keras.backend.is_float_dtype(keras.backend.standardize_dtype(entry.dtype)):
        return (pixels / np.float32(255)).astype("float32")
    if not flow.discrete or flow.levels >= 256:
        return pixels
    if 256 % flow.levels:
        raise ValueError(
            "256 values of a pixel fall evenly into levels that are a power of two. "
            f"Received: a flow of levels={flow.levels}."
        )
    return (pixels // (256 // flow.levels)).astype("uint8")
