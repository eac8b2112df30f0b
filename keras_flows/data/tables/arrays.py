"""Tables in npy and npz files."""

import contextlib
import zipfile
import zlib

import numpy as np

from keras_flows.data.tables.table import Table, check_finite

SPLITS = (("train",), ("validation", "val"), ("test",))
NAMES = ("names", "columns")  # keys of an npz that may hold the columns' names


def read_arrays(path, selection):
    """The array of an npy, or the one array or three arrays of an npz, as a table."""
    arrays = _load_npy(path) if path.suffix.lower() == ".npy" else _load_npz(path)
    names = next((arrays.pop(key).tolist() for key in NAMES if key in arrays), None)
    arrays = {key: matrix(f"{path}, {key}", x) for key, x in arrays.items()}
    width = next(iter(arrays.values())).shape[1]
    names = [str(x) for x in names or (f"x{i + 1}" for i in range(width))]
    used = selection.places(path, names)
    for key, x in arrays.items():
        if x.shape[1] != len(names):
            raise ValueError(
                f"{path}, {key} should have {len(names)} columns, like the names or the first "
                f"array. Received: shape={x.shape}."
            )
        arrays[key] = x[:, used]
        check_finite(f"{path}, {key}", [names[i] for i in used], arrays[key])
    sizes = tuple(len(x) for x in arrays.values()) if len(arrays) > 1 else None
    return Table([names[i] for i in used], np.concatenate(list(arrays.values())), sizes)


def _load_npy(path):
    with _damage_named(path), open(path, "rb") as file:
        return {"array": np.lib.format.read_array(file, allow_pickle=False)}


def _load_npz(path):
    """The arrays of the table in their order, and its column names."""
    with _damage_named(path), zipfile.ZipFile(path) as file:
        keys = [name.removesuffix(".npy") for name in file.namelist()]
    names = [key for key in NAMES if key in keys][:1]
    others = [key for key in keys if key not in NAMES]
    splits = [next((key for key in split if key in keys), None) for split in SPLITS]
    chosen = splits if all(splits) else [key for key in ("data", "x") if key in keys][:1]
    chosen = chosen or others
    if not all(splits) and len(chosen) != 1:
        raise ValueError(
            f"{path} should hold one array, or one called data or x, or the three train, "
            f"validation and test. Received: keys {keys}."
        )
    arrays = {}
    with _damage_named(path), np.load(path) as file:
        for key in (*chosen, *names):
            try:
                arrays[key] = file[key]
            except ValueError as error:  # such as for an array of Python objects
                raise ValueError(f"{error} (array '{key}')") from error
    return arrays


@contextlib.contextmanager
def _damage_named(path):
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"{path} is damaged or holds no numbers. Received: {error}") from error


def matrix(place, x):
    """The array as a float32 or float64 matrix; a vector becomes one column."""
    x = np.asarray(x)
    if x.dtype.kind not in "fiub" or x.ndim not in (1, 2) or not x.shape[-1]:
        raise ValueError(
            f"{place} should be real numbers of shape (rows, columns). "
            f"Received: dtype={x.dtype}, shape={x.shape}."
        )
    x = x[:, None] if x.ndim == 1 else x
    return x.astype("float32" if x.dtype in ("float16", "float32") else "float64", copy=False)
