"""Loaders. Each names the missing or damaged file in its error."""

import gzip
import math
import pathlib

import keras
import numpy as np

from keras_flows.data import reading

BUNDLED = pathlib.Path("reproductions", "data", "mnist.npz")  # in a source checkout
KEYS = ("x_train", "y_train", "x_test", "y_test")
IDX_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
HOLDOUT = 10  # of pictures that are not split, every tenth is a test picture


def mnist(path=None, labels=True):
    """MNIST as `((x_train, y_train), (x_test, y_test))`, uint8, pictures `(n, 28, 28)`.

    Args:
        path: an npz in Keras' layout, a folder with the four idx files,
            gzipped or not, or one npy, npz or idx file of pictures, of which
            every tenth is a test picture. If None, the copy of a source
            checkout, installed from in place or the current folder, else
            Keras' cache or download.
        labels: whether labels must be there. If False, those that are missing
            are None.

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
        path: an npz in the keys of MNIST's, labels of shape `(n,)` or
            `(n, 1)`, or one npy or npz of pictures, of which every tenth is a
            test picture. If None, Keras' cache or download.
        labels: as for `mnist`.

    Raises FileNotFoundError or ValueError that names the file.

    >>> (x_train, _), (x_test, _) = keras_flows.data.datasets.cifar10()
    """
    return _load(path, keras.datasets.cifar10, "CIFAR-10", (32, 32, 3), labels)


def _load(path, source, title, shape, labels):
    """Reads the arrays, by their keys, and checks them."""
    if path is None:
        path, arrays = "What Keras has", _from_keras(source, title)
    else:
        path = pathlib.Path(path)
        if not path.exists():
            raise FileNotFoundError(f"No data at {path}: an npz, npy or idx file of {title}.")
        folder = path.is_dir() and shape == (28, 28)
        arrays = _read_folder(path) if folder else _read(path)
    if "x_test" not in arrays:
        arrays = _split(arrays)
    missing = [key for key in KEYS if key not in arrays and (labels or key.startswith("x"))]
    if missing:
        raise ValueError(
            f"{path} has no {' and no '.join(missing)}. Labels are needed here; labels=False "
            f"reads pictures alone. Received: {', '.join(arrays)}."
        )
    checked = {key: _checked(arrays[key], key, path, title, shape) for key in arrays}
    for part in ("train", "test"):
        x, y = checked[f"x_{part}"], checked.setdefault(f"y_{part}")
        if y is not None and len(y) != len(x):
            raise ValueError(f"{path} has {len(x)} x_{part}. Received: {len(y)} y_{part}.")
    x_train, y_train, x_test, y_test = (checked[key] for key in KEYS)
    return (x_train, y_train), (x_test, y_test)


def _from_keras(source, title):
    try:
        (x_train, y_train), (x_test, y_test) = source.load_data()
    except Exception as error:  # Keras raises a bare Exception where there is no network.
        raise OSError(f"{title} is not here and cannot be fetched; give --data. {error}") from None
    return dict(zip(KEYS, (x_train, y_train, x_test, y_test)))


def _split(arrays):
    """Every tenth picture is a test picture, whatever the order of the classes."""
    found = {}
    for key, x in arrays.items():
        x = np.atleast_1d(x)
        test = np.arange(len(x)) % HOLDOUT == HOLDOUT - 1
        found |= {key: x[~test], key.replace("train", "test"): x[test]}
    return found


def _checked(x, key, path, title, shape):
    """The array as uint8, labels as a vector; ValueError where it is something else."""
    wanted = () if key.startswith("y") else shape
    if x.ndim and math.prod(x.shape[1:]) == math.prod(wanted):  # (n, 1), (n, 784), (n, 28, 28, 1)
        x = x.reshape(len(x), *wanted)
    if x.dtype.kind not in "iuf" or x.shape[1:] != wanted or not x.size:
        raise ValueError(
            f"{path} is not {title}: {key} should be uint8 of shape {('n', *wanted)}. "
            f"Received: dtype={x.dtype}, shape={x.shape}."
        )
    return _bytes(x, f"{path}, {key}")


def _bytes(x, place, largest=255):
    """Integers 0..255 as uint8; ValueError for other numbers, with their range."""
    if x.dtype == np.uint8 or not x.size:
        return x
    if x.dtype.kind not in "iu" or x.min() < 0 or x.max() > largest:
        low, high = x.min(), x.max()
        change = ""
        if x.dtype.kind == "f" and low >= 0 and high <= 1:
            change = ": (255 * x).round().astype('uint8') where they were divided by 255"
        raise ValueError(
            f"{place}: integers from 0 to {largest} are needed{change}. "
            f"Received: dtype={x.dtype}, from {low} to {high}."
        )
    return x.astype("uint8") if largest == 255 else x


def _read(path):
    """The arrays of one file, by their keys; what it is shows in its first bytes."""
    reading.check_regular(path)
    with open(path, "rb") as file:
        head = file.read(6)
    if head.startswith(b"PK"):
        return _read_npz(path)
    if head == b"\x93NUMPY":
        return {"x_train": reading.read_npy(path)}
    if head.startswith((b"\x1f\x8b", b"\0\0\x08")):
        return {"x_train": _read_idx(path, 3)}
    raise ValueError(f"{path} is damaged or no npz, npy or idx file.")


def _read_npz(path):
    """Arrays under Keras' keys; a lone array of another name is of pictures."""
    keys = []

    def choose(found):
        keys.extend(found)
        return found if len(found) == 1 else [key for key in KEYS if key in found]

    arrays = reading.read_npz(path, choose)
    if len(keys) == 1:
        arrays = {"x_train": arrays[keys[0]]}
    if "x_train" not in arrays:
        raise ValueError(
            f"{path} has no x_train: its arrays are called {', '.join(KEYS)}, or it holds pictures "
            f"alone. Received: keys {keys}."
        )
    return arrays


def _read_folder(folder):
    arrays = {}
    for key, name in zip(KEYS, IDX_NAMES):
        path = next((p for p in (folder / name, folder / f"{name}.gz") if p.exists()), None)
        if path is not None:
            arrays[key] = _read_idx(path, 3 if key.startswith("x") else 1)
        elif key.startswith("x"):
            raise FileNotFoundError(f"There is no {name} and no {name}.gz in {folder}.")
    return arrays


def _read_idx(path, rank):
    """The array of an idx file, gzipped or not, read once its header proves right."""
    reading.check_regular(path)
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with reading.damage_named(path), (gzip.open if packed else open)(path, "rb") as file:
        header = np.frombuffer(file.read(4 + 4 * rank), "u1")
        if len(header) != 4 + 4 * rank or header[:4].tolist() != [0, 0, 8, rank]:
            raise reading.Refused(f"{path} is no idx file of {rank} dimensions.")
        shape = tuple(header[4:].view(">u4").tolist())
        size = math.prod(shape)
        reading.check_size(path, size, reading.ARRAY_BYTES)
        body = file.read(size + 1)
    if len(body) != size:
        state = "cut short" if len(body) < size else "longer than its header says"
        raise ValueError(f"{path} is {state}. Received: {len(body)} of {size} bytes.")
    return np.frombuffer(body, np.uint8).reshape(shape)


def as_input(flow, pixels):
    """Pixels 0..255 as the flow wants them: its shape, and integers or floats in [0, 1].

    A flow of fewer than 256 levels gets the upper bits of each pixel.

    Raises ValueError unless the pixels are integers in range and the levels
    are a power of two.
    """
    entry = flow.encoder.inputs[0]  # conditions come after it
    largest = max(255, flow.levels - 1) if flow.discrete else 255
    pixels = _bytes(np.asarray(pixels), "Pixels", largest).reshape(-1, *entry.shape[1:])
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
