"""Pictures of a folder tree or a zip as one array: decoded once, cached, split."""

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
    """`pixels` `(n, size, size, 3)`, uint8, their `names`, counts of the `skipped` by reason.

    `skipped_names` has lists of the names of those, by reason.
    """

    pixels: np.ndarray
    names: list
    skipped: dict
    skipped_names: dict = dataclasses.field(default_factory=dict)


def load(path, size, limit=None, cache=None, workers=None, verbose=True, enlarge=False):
    """All pictures below a folder or in a zip, as `Pictures` in the order of their names.

    Each becomes RGB, its centre square `size` x `size`. Damaged ones, too
    large ones and those with a side below `size` are skipped, counted and
    named. What was decoded is kept, and read as a memmap until the pictures
    or the arguments change. docs/data_files.md has the limits.

    Args:
        path: folder, searched recursively, or zip; hidden files and files
            that are no pictures by their extension are ignored.
        size: side of the squares, in pixels.
        limit: take only the first so many names.
        cache: folder for what was decoded; if None, keras_flows/ in
            KERAS_HOME or ~/.keras. Where it cannot be written there is none.
        workers: threads that decode; if None, as many as Python thinks fit.
        verbose: whether to show progress and say what was skipped.
        enlarge: whether pictures with a side below `size` are enlarged.

    Raises FileNotFoundError, or ValueError where nothing can be loaded.

    >>> faces = pictures.load("celeba.zip", 64).pixels
    """
    if size < 1 or size * size > decoding.PIXELS or limit is not None and limit < 1:
        raise ValueError(
            "Pictures need a size and a limit of 1 or more, and a size of no more than "
            f"{decoding.PIXELS:,} pixels. Received: size={size}, limit={limit}."
        )
    path = pathlib.Path(path)
    with picture_files.open_source(path) as (files, read):
        names = sorted(name for name in files if picture_files.is_picture(name))[:limit]
        if not names:
            raise ValueError(
                f"There are no pictures in {path}: a folder or a zip is needed with files that end "
                f"in {' '.join(picture_files.EXTENSIONS)}."
            )
        source = [str(path.resolve()), size, limit, enlarge]
        index = picture_cache.index(cache, source, [(name, *files[name]) for name in names])
        sizes = {name: files[name][0] for name in names}
        options = {"enlarge": enlarge, "workers": workers, "verbose": verbose}

        def decode(file):
            return decoding.decode(file, path, read, sizes, size, **options)

        found = picture_cache.read(index, size)
        found = found or picture_cache.write(index, size, len(names), decode)
        pixels, kept, skipped = found or _in_memory(size, decode)
    if verbose and skipped:
        print(f"{path}: {len(kept)} pictures; skipped: {decoding.summary(skipped)}.")
    return Pictures(pixels, kept, {reason: len(v) for reason, v in skipped.items()}, skipped)


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


def _in_memory(size, decode):
    file = io.BytesIO()
    names, skipped = decode(file)
    return np.frombuffer(file.getbuffer(), "uint8").reshape(-1, size, size, 3), names, skipped
