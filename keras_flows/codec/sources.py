"""Picture files for the codec: their exact pixels, from files, folders, zips and patterns."""

import contextlib
import glob
import io
import pathlib

import numpy as np
from PIL import Image, ImageOps

from keras_flows.data import decoding, picture_files, safe_reading

MODES = {"1": "L", "L": "L", "LA": "LA", "RGB": "RGB", "RGBA": "RGBA", "P": "RGB", "PA": "RGBA"}


def files(paths):
    """The files, folders and zips that paths and patterns (`*`) stand for, in their order.

    Raises FileNotFoundError for a path or pattern without files.
    """
    results = []
    for path in paths:
        if pathlib.Path(path).exists():
            results.append(pathlib.Path(path))
            continue
        matches = sorted(glob.glob(str(path), recursive=True))
        if not matches:
            raise FileNotFoundError(
                f"There is no {path}: give picture files, folders, zips, npy files or patterns."
            )
        results += map(pathlib.Path, matches)
    return results


def count(paths):
    """The number of pictures of `read(paths)`, without decoding them."""
    total = 0
    for path in paths:
        with _opened(path) as (names, _):
            total += len(names)
    return total


def read(paths):
    """Yields (name, pixels) of all pictures; the name is None for those of an npy file.

    Pixels are uint8 (height, width) or (height, width, channels). Raises ValueError that names a
    picture which is damaged, has more than 8 bits a channel, several frames, or other colours.
    """
    for path in paths:
        with _opened(path) as (names, get):
            for name in names:
                yield name, get(name)


@contextlib.contextmanager
def _opened(path):
    """The names of the pictures of one path, and a function that gives the pixels of a name."""
    if path.suffix.lower() == ".npy":
        array = safe_reading.read_npy(path)
        if array.dtype != np.uint8 or array.ndim not in (3, 4):
            raise ValueError(
                "An npy of pictures is a uint8 array (n, height, width) or (n, height, width, "
                f"channels). Received: {path}, {array.dtype} of shape {array.shape}."
            )
        pictures = iter(array)
        yield [None] * len(array), lambda name: next(pictures)
    elif path.is_dir() or path.suffix.lower() == ".zip":
        with picture_files.open_source(path) as (found, get):
            names = sorted(filter(picture_files.is_picture, found))
            if not names:
                raise ValueError(f"There are no pictures in {path}. Received: {len(found)} files.")
            yield names, lambda name: pixels(get(name), f"{path}, {name}")
    else:
        yield [path.name], lambda name: pixels(picture_files.read_picture(path), path)


def pixels(data, place):
    """The exact pixels of an encoded picture, turned upright as its metadata says."""
    try:
        image = Image.open(io.BytesIO(data), formats=decoding.FORMATS)
        problem = _problem(image)
        if problem is None:
            ImageOps.exif_transpose(image, in_place=True)
            mode = MODES[image.mode]
            if "transparency" in image.info and mode in ("L", "RGB"):
                mode = "LA" if mode == "L" else "RGBA"
            return np.asarray(image if image.mode == mode else image.convert(mode))
    except Exception as error:  # Each of Pillow's formats raises its own.
        raise ValueError(f"{place} is damaged or no picture. Received: {error}.") from error
    raise ValueError(
        f"{place} cannot be compressed without loss: pictures have 8 bits a channel, grey or "
        f"colours, with alpha or without. Received: {problem}."
    )


def _problem(image):
    """Why the pixels of a picture would not be exact, or None."""
    if image.width * image.height > decoding.PIXELS:
        return f"{image.width} x {image.height} pixels"
    if getattr(image, "n_frames", 1) > 1:
        return f"{image.n_frames} frames"
    if image.mode not in MODES or any("16" in str(tile[3]) for tile in image.tile):
        return f"mode {image.mode}" + ", 16 bits a channel" * (image.mode in MODES)
    return None


class Names:
    """Names of pictures as those of PNG files; each is different from all others."""

    def __init__(self):
        self.known = set()

    def add(self, name):
        """The name of a file for a picture."""
        path = pathlib.PurePosixPath(name)
        candidate, number = path.with_suffix(".png").as_posix(), 1
        while candidate in self.known:
            number += 1
            candidate = path.with_name(f"{path.stem}_{number}.png").as_posix()
        self.known.add(candidate)
        return candidate


def safe_path(folder, name):
    """The path of a name below a folder; raises ValueError if it could be anywhere else."""
    parts = name.split("/")
    bad = "\\" in name or ":" in name or "\0" in name or not name.endswith(".png")
    if bad or any(part in ("", ".", "..") for part in parts):
        raise ValueError(
            "Names of pictures are relative paths of PNG files. The file is not safe to unpack. "
            f"Received: {name!r}."
        )
    return pathlib.Path(folder, *parts)
