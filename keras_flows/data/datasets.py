"""`mnist` and `cifar10`: pictures and labels from files, or from Keras."""

import math
import pathlib

import keras
import numpy as np

from keras_flows.data import idx, safe_reading
from keras_flows.data.pixels import as_input, to_uint8

__all__ = ["as_input", "cifar10", "mnist"]

BUNDLED = pathlib.Path("reproductions", "data", "mnist.npz")  # in a source checkout
KEYS = ("x_train", "y_train", "x_test", "y_test")
HOLDOUT = 10  # without a test set, every tenth picture becomes a test picture


def mnist(path=None, labels=True):
    """MNIST as `((x_train, y_train), (x_test, y_test))`, uint8, pictures `(n, 28, 28)`.

    Args:
        path: an npz file with Keras' keys, a folder with the four idx files,
            gzipped or not, or one npy, npz or idx file of pictures, of which
            every tenth becomes a test picture. If None, the copy in the source
            checkout, else Keras' cache or download.
        labels: whether labels are required. If False, missing labels are None.

    Raises FileNotFoundError or ValueError that names the file.

    >>> (x_train, _), (x_test, _) = keras_flows.data.datasets.mnist()
    """
    if path is None:
        places = [pathlib.Path(__file__).parents[2] / BUNDLED, BUNDLED]
        path = next((place for place in places if place.exists()), None)
    return _load(path, keras.datasets.mnist, "MNIST", (28, 28), labels)


def cifar10(path=None, labels=True):
    """CIFAR-10 as `((x_train, y_train), (x_test, y_test))`, uint8, pictures `(n, 32, 32, 3)`.

    Args:
        path: an npz file with Keras' keys, labels of shape `(n,)` or `(n, 1)`,
            or one npy or npz file of pictures, of which every tenth becomes a
            test picture. If None, Keras' cache or download.
        labels: as for `mnist`.

    Raises FileNotFoundError or ValueError that names the file.

    >>> (x_train, _), (x_test, _) = keras_flows.data.datasets.cifar10()
    """
    return _load(path, keras.datasets.cifar10, "CIFAR-10", (32, 32, 3), labels)


def _load(path, source, title, shape, labels):
    """Reads the arrays, splits and checks them."""
    if path is None:
        path, arrays = "Keras' copy", _from_keras(source, title)
    else:
        arrays = _from_path(pathlib.Path(path), title, shape)
    if "x_test" not in arrays:
        arrays = _hold_out(arrays)
    missing = [key for key in KEYS if key not in arrays and (labels or key.startswith("x"))]
    if missing:
        raise ValueError(
            f"{path} has no {' and no '.join(missing)}. Labels are required here; use "
            f"labels=False to read pictures alone. Received: {', '.join(arrays)}."
        )
    checked = {key: _check(x, key, path, title, shape) for key, x in arrays.items()}
    for part in ("train", "test"):
        x, y = checked[f"x_{part}"], checked.setdefault(f"y_{part}")
        if y is not None and len(y) != len(x):
            raise ValueError(f"{path} has {len(x)} x_{part}. Received: {len(y)} y_{part}.")
    x_train, y_train, x_test, y_test = (checked[key] for key in KEYS)
    return (x_train, y_train), (x_test, y_test)


def _from_keras(source, title):
    try:
        (x_train, y_train), (x_test, y_test) = source.load_data()
    except Exception as error:  # Keras raises a bare Exception without a network.
        raise OSError(
            f"{title} is not on this machine and cannot be downloaded; give --data. {error}"
        ) from None
    return dict(zip(KEYS, (x_train, y_train, x_test, y_test)))


def _from_path(path, title, shape):
    if not path.exists():
        raise FileNotFoundError(f"No data at {path}: give an npz, npy or idx file of {title}.")
    if path.is_dir() and shape == (28, 28):
        return idx.read_folder(path)
    return _read_file(path)


def _read_file(path):
    """The arrays of one file by their keys; its first bytes decide how it is read."""
    safe_reading.check_regular(path)
    with open(path, "rb") as file:
        head = file.read(6)
    if head.startswith(b"PK"):
        return _read_npz(path)
    if head == b"\x93NUMPY":
        return {"x_train": safe_reading.read_npy(path)}
    if head.startswith((b"\x1f\x8b", b"\0\0\x08")):
        return {"x_train": idx.read_idx(path, 3)}
    raise ValueError(f"{path} is damaged or no npz, npy or idx file.")


def _read_npz(path):
    """The arrays with Keras' keys; a single array of any name is taken for pictures."""
    file_keys = []

    def choose(keys):
        file_keys.extend(keys)
        return keys if len(keys) == 1 else [key for key in KEYS if key in keys]

    arrays = safe_reading.read_npz(path, choose)
    if len(file_keys) == 1:
        arrays = {"x_train": arrays[file_keys[0]]}
    if "x_train" not in arrays:
        raise ValueError(
            f"{path} has no x_train: it must hold {', '.join(KEYS)}, or one array of pictures. "
            f"Received: keys {file_keys}."
        )
    return arrays


def _hold_out(arrays):
    """Makes every tenth picture a test picture, whatever the order of the classes."""
    split = {}
    for key, x in arrays.items():
        x = np.atleast_1d(x)
        test = np.arange(len(x)) % HOLDOUT == HOLDOUT - 1
        split |= {key: x[~test], key.replace("train", "test"): x[test]}
    return split


def _check(x, key, path, title, shape):
    """The array as uint8 of the right shape, labels as a vector; else ValueError."""
    shape = () if key.startswith("y") else shape
    if x.ndim and math.prod(x.shape[1:]) == math.prod(shape):  # (n, 1), (n, 784), (n, 28, 28, 1)
        x = x.reshape(len(x), *shape)
    if x.dtype.kind not in "iuf" or x.shape[1:] != shape or not x.size:
        raise ValueError(
            f"{path} is not {title}: {key} should be uint8 of shape {('n', *shape)}. "
            f"Received: dtype={x.dtype}, shape={x.shape}."
        )
    return to_uint8(x, f"{path}, {key}")
