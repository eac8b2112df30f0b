"""MNIST's idx files, gzipped or not."""

import gzip
import math

import numpy as np

from keras_flows.data import safe_reading

# The key of each array in an npz of Keras, and the name of the idx file that holds it.
IDX_NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def read_folder(folder):
    """The arrays of a folder's idx files by their keys; label files may be missing."""
    arrays = {}
    for key, name in IDX_NAMES.items():
        path = next((p for p in (folder / name, folder / f"{name}.gz") if p.exists()), None)
        if path is not None:
            arrays[key] = read_idx(path, 3 if key.startswith("x") else 1)
        elif key.startswith("x"):
            raise FileNotFoundError(f"There is no {name} and no {name}.gz in {folder}.")
    return arrays


def read_idx(path, rank):
    """The uint8 array of an idx file; its header is checked before its data is read."""
    safe_reading.check_regular(path)
    with open(path, "rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    opener = gzip.open if is_gzip else open
    with safe_reading.damage_named(path), opener(path, "rb") as file:
        header = np.frombuffer(file.read(4 + 4 * rank), "u1")
        if len(header) != 4 + 4 * rank or header[:4].tolist() != [0, 0, 8, rank]:
            raise safe_reading.Refused(f"{path} is no idx file of {rank} dimensions.")
        shape = tuple(header[4:].view(">u4").tolist())
        size = math.prod(shape)
        safe_reading.check_size(path, size, safe_reading.ARRAY_BYTES)
        body = file.read(size + 1)
    if len(body) != size:
        state = "cut short" if len(body) < size else "longer than its header says"
        raise ValueError(f"{path} is {state}. Received: {len(body)} of {size} bytes.")
    return np.frombuffer(body, np.uint8).reshape(shape)
