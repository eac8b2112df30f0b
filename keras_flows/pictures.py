"""Pictures of a folder tree or a zip as one array: decoded once, cached, split."""

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import pathlib
import time

import numpy as np

from keras_flows import decoding
from keras_flows.celeba import attributes, partition
from keras_flows.files import write_json

__all__ = ["Pictures", "attributes", "load", "partition", "split"]
FORMAT = 1  # of the cache; part of its names
DAY = 24 * 60 * 60


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures:
    """`pixels` `(n, size, size, 3)`, uint8, their `names`, counts of the `skipped` by reason."""

    pixels: np.ndarray
    names: list
    skipped: dict


def load(path, size, limit=None, cache=None, workers=None, verbose=True):
    """All pictures below a folder or in a zip, as `Pictures` in the order of their names.

    Each becomes RGB, its centre square `size` x `size`. Damaged ones and those
    with a side below `size` are skipped and counted. What was decoded is kept,
    and read as a memmap until the pictures or the arguments change.

    Args:
        path: folder, searched recursively, or zip; hidden files and files
            that are no pictures by their extension are ignored.
        size: side of the squares, in pixels.
        limit: take only the first so many names.
        cache: folder for what was decoded; if None, keras_flows/ in
            KERAS_HOME or ~/.keras. Where it cannot be written there is none.
        workers: threads that decode; if None, as many as Python thinks fit.
        verbose: whether to show progress and say how many were skipped.

    Raises FileNotFoundError, or ValueError where nothing can be loaded.

    >>> faces = pictures.load("celeba.zip", 64).pixels
    """
    if size < 1 or limit is not None and limit < 1:
        raise ValueError(
            f"Pictures need a size and a limit of 1 or more. Received: size={size}, limit={limit}."
        )
    path = pathlib.Path(path)
    with decoding.opened(path) as (files, read):
        names = sorted(name for name in files if decoding.is_picture(name))[:limit]
        if not names:
            raise ValueError(
                f"There are no pictures in {path}: a folder or a zip is needed with files that end "
                f"in {' '.join(decoding.EXTENSIONS)}."
            )
        told = [FORMAT, str(path.resolve()), size, limit, [(name, *files[name]) for name in names]]
        key = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]
        index = _cache_folder(cache) / f"{key}.json"

        def decode(file):
            return decoding.decode(file, path, read, names, size, workers, verbose)

        pictures = _cached(index, size) or _to_cache(index, size, len(names), decode)
        pictures = pictures or _in_memory(size, decode)
    if verbose and pictures.skipped:
        counts = ", ".join(f"{n} {reason}" for reason, n in pictures.skipped.items())
        print(f"{path}: {len(pictures.names)} pictures; skipped: {counts}.")
    return pictures


def split(pictures, path, holdout):
    """Indices of pictures to train on, to validate on and to test on, sorted.

    CelebA's own partition where there is one for these pictures, matched by the
    stems of the names (000001.webp is 000001.jpg); others are for training.
    Else `holdout` pictures each for validation and test, by a hash of their
    names: more pictures make nothing that was trained on a test picture.

    Raises ValueError where nothing is left to train on.
    """
    stems = [pathlib.PurePosixPath(name).stem for name in pictures.names]
    official = {pathlib.PurePosixPath(k).stem: part for k, part in (partition(path) or {}).items()}
    if not official.keys().isdisjoint(stems):
        part = np.array([official.get(stem, 0) for stem in stems])
        how = "CelebA's partition"
    elif holdout < 0:
        raise ValueError(f"holdout must be 0 or more. Received: holdout={holdout}.")
    else:
        order = sorted(range(len(stems)), key=lambda i: _by_hash(pictures.names[i]))
        part = np.zeros(len(stems), int)
        how = f"holdout={holdout}"
        part[order[:holdout]], part[order[max(0, len(order) - holdout) :]] = 2, 1
    if not (part == 0).any():
        raise ValueError(
            f"No picture of {path} is left to train on: it needs more of them, or a smaller "
            f"holdout. Received: {len(stems)} pictures, {how}."
        )
    return tuple(np.flatnonzero(part == i) for i in range(3))


def _by_hash(name):
    return hashlib.sha256(name.rsplit("/", 1)[-1].encode(errors="surrogateescape")).digest(), name


def _cache_folder(cache):
    home = os.environ.get("KERAS_HOME", "~/.keras")
    return pathlib.Path(cache or pathlib.Path(home).expanduser() / "keras_flows")


def _cached(index, size):
    """The pictures in the cache; None where there are none or they are damaged."""
    try:
        told = json.loads(index.read_text())
        pixels = np.lib.format.open_memmap(index.with_suffix(".npy"), mode="r")
        wanted = (len(told["names"]), size, size, 3)
        if pixels.shape != wanted or pixels.dtype != np.uint8:
            raise ValueError(f"pixels should be {wanted}. Received: {pixels.shape}")
        return Pictures(pixels, told["names"], told["skipped"])
    except OSError:  # not there, or not ours to read
        return None
    except (ValueError, KeyError, TypeError) as error:
        print(f"{index} is damaged, so the pictures are decoded again: {error!r}.")
        return None


def _to_cache(index, size, n, decode):
    """The pictures, decoded into the cache; None where it cannot be written.

    The index comes last: without it there is nothing. Two runs at once write
    files of their own, and the later one replaces the same by the same.
    """
    partial = index.with_name(f"{index.stem}.{os.getpid()}.partial.npy")
    try:
        index.parent.mkdir(parents=True, exist_ok=True)
        _sweep(index.parent)
        try:
            with open(partial, "wb") as file:
                _write_header(file, n, size)
                names, skipped = decode(file)
                file.seek(0)
                _write_header(file, len(names), size)  # as long as the first, padded by NumPy
            os.replace(partial, index.with_suffix(".npy"))
        finally:
            partial.unlink(missing_ok=True)
        write_json(index, {"names": names, "skipped": skipped})
    except OSError as error:
        print(f"The pictures are not cached, {index.parent} cannot be written: {error}.")
        return None
    return _cached(index, size)


def _write_header(file, n, size):
    told = {"descr": "|u1", "fortran_order": False, "shape": (n, size, size, 3)}
    np.lib.format.write_array_header_1_0(file, told)


def _sweep(folder):
    """Removes what killed runs left, a day later: until then it may be another run's."""
    for partial in folder.glob("*.partial.npy"):
        with contextlib.suppress(OSError):
            if time.time() - partial.stat().st_mtime > DAY:
                partial.unlink()


def _in_memory(size, decode):
    file = io.BytesIO()
    names, skipped = decode(file)
    pixels = np.frombuffer(file.getbuffer(), "uint8").reshape(-1, size, size, 3)
    return Pictures(pixels, names, skipped)
