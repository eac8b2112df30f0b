"""`load` and `split`: the pictures of a folder or zip as one array, decoded once and cached."""

import dataclasses
import hashlib
import io
import pathlib

import numpy as np

from keras_flows.data import decoding, picture_cache, picture_files
from keras_flows.data.celeba import attributes, partition

__all__ = ["Pictures", "attributes", "load", "partition", "split"]


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures:
    """Decoded pictures.

    `pixels` is uint8 `(n, size, size, 3)`, `names` a list. `skipped` has the number of skipped
    pictures for each reason, `skipped_names` their names.
    """

    pixels: np.ndarray
    names: list
    skipped: dict
    skipped_names: dict = dataclasses.field(default_factory=dict)


def load(path, size, limit=None, cache=None, workers=None, verbose=True, enlarge=False):
    """All pictures below a folder or in a zip, as `Pictures` in the order of their names.

    Each is converted to RGB, cropped to its centre square and resized to `size` x `size`.
    Pictures that are damaged, too large, or smaller than `size` on a side are skipped, counted
    and named. The squares are cached and read as a memmap until the pictures or the arguments
    change. docs/data_files.md has the limits.

    Args:
        path: folder, searched recursively, or zip. Hidden files and files
            without the extension of a picture are ignored.
        size: side of the squares, in pixels.
        limit: number of names to read, the first ones; None reads all.
        cache: folder for the decoded squares. If None, keras_flows/ in
            KERAS_HOME or ~/.keras. Nothing is cached if it cannot be written.
        workers: number of threads that decode; None leaves it to Python.
        verbose: whether to show progress and to report skipped pictures.
        enlarge: whether to enlarge pictures that are smaller than `size`.

    Raises FileNotFoundError, or ValueError if no picture can be loaded.

    >>> faces = pictures.load("celeba.zip", 64).pixels
    """
    if size < 1 or size * size > decoding.PIXELS or limit is not None and limit < 1:
        raise ValueError(
            "size and limit must be 1 or more, and a square must have a size of no more than "
            f"{decoding.PIXELS:,} pixels. Received: size={size}, limit={limit}."
        )
    path = pathlib.Path(path)
    with picture_files.open_source(path) as (files, read):
        names = sorted(name for name in files if picture_files.is_picture(name))[:limit]
        if not names:
            raise ValueError(
                f"There are no pictures in {path}: give a folder or a zip with files that end in "
                f"{' '.join(picture_files.EXTENSIONS)}."
            )
        source = [str(path.resolve()), size, limit, enlarge]
        index = picture_cache.index(cache, source, [(name, *files[name]) for name in names])
        sizes = {name: files[name][0] for name in names}
        options = {"enlarge": enlarge, "workers": workers, "verbose": verbose}

        def decode(file):
            return decoding.decode(file, path, read, sizes, size, **options)

        cached = picture_cache.read(index, size)
        cached = cached or picture_cache.write(index, size, len(names), decode)
        pixels, kept, skipped = cached or _decode_in_memory(size, decode)
    if verbose and skipped:
        print(f"{path}: {len(kept)} pictures; skipped: {decoding.summary(skipped)}.")
    return Pictures(pixels, kept, {reason: len(v) for reason, v in skipped.items()}, skipped)


def split(pictures, path, holdout):
    """Sorted indices of the training, validation and test pictures.

    If `path` has CelebA's partition for some of these pictures, it decides; names match by their
    stems (000001.webp is 000001.jpg), and pictures that it does not list are for training.
    Otherwise `holdout` pictures each are held out for validation and test, chosen by a hash of
    their names. Adding pictures later never turns a training picture into a test picture.

    Args:
        pictures: `Pictures`.
        path: the folder or zip that they were loaded from.
        holdout: number of validation pictures, and of test pictures.

    Raises ValueError if no picture is left to train on.

    >>> train, validation, test = pictures.split(faces, "faces", holdout=1000)
    """
    stems = [pathlib.PurePosixPath(name).stem for name in pictures.names]
    official = {pathlib.PurePosixPath(k).stem: part for k, part in (partition(path) or {}).items()}
    if not official.keys().isdisjoint(stems):
        part = np.array([official.get(stem, 0) for stem in stems])
        method = "CelebA's partition"
    elif holdout < 0:
        raise ValueError(f"holdout must be 0 or more. Received: holdout={holdout}.")
    else:
        order = sorted(range(len(stems)), key=lambda i: _by_hash(pictures.names[i]))
        part = np.zeros(len(stems), int)
        method = f"holdout={holdout}"
        part[order[:holdout]], part[order[max(0, len(order) - holdout) :]] = 2, 1
    if not (part == 0).any():
        raise ValueError(
            f"No picture of {path} is left to train on: add pictures or use a smaller holdout. "
            f"Received: {len(stems)} pictures, {method}."
        )
    return tuple(np.flatnonzero(part == i) for i in range(3))


def _by_hash(name):
    return hashlib.sha256(name.rsplit("/", 1)[-1].encode(errors="surrogateescape")).digest(), name


def _decode_in_memory(size, decode):
    file = io.BytesIO()
    names, skipped = decode(file)
    return np.frombuffer(file.getbuffer(), "uint8").reshape(-1, size, size, 3), names, skipped
