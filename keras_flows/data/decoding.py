"""From the files of a folder or a zip to the bytes of squares, in threads."""

import contextlib
import io
import os
import pathlib
import sys
import threading
import time
import zipfile
from concurrent import futures

import keras
import numpy as np
from PIL import Image, ImageOps

from keras_flows.data import reading

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".ppm", ".tif", ".tiff")
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "PPM", "TIFF")  # by content, whatever the ending
PIXELS = 80_000_000  # of a picture, at most: 320 MB, and as much again while it is cropped
LARGE = 16_000_000  # pixels from which on pictures are decoded one at a time
FILE_BYTES = 2**28  # of encoded pictures that are read at once, by all threads
CHUNK_BYTES = 2**26  # of squares that are made before they are written
QUIET_SECONDS = 3  # without a progress bar where the output is no terminal


class Skipped(ValueError):
    """A picture that cannot be used; the message is the reason."""


class Room:
    """An amount that threads share. `with room.taken(n)` waits until n of it are free."""

    def __init__(self, size):
        self._size = self._free = size
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, n):
        if n > self._size:
            raise Skipped("too large")
        with self._changed:
            self._changed.wait_for(lambda: self._free >= n)
            self._free -= n
        try:
            yield
        finally:
            with self._changed:
                self._free += n
                self._changed.notify_all()


@contextlib.contextmanager
def opened(path):
    """The files of a folder or zip, by name their size and what else changes, and a reader."""
    if path.is_dir():
        yield _walk(path), lambda name: reading.read_file(path / name, FILE_BYTES)
        return
    if not path.exists():
        raise FileNotFoundError(f"No pictures at {path}: a folder or a zip of them.")
    reading.check_regular(path)
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is damaged or neither a folder nor a zip of pictures.")
    try:
        file, lock = zipfile.ZipFile(path), threading.Lock()
    except reading.DAMAGE as error:
        raise ValueError(f"{path} is a damaged zip: {error}") from error

    def read(name):
        with lock:
            return reading.read_member(file, name, FILE_BYTES)

    with file:
        changed = path.stat().st_mtime_ns
        yield {i.filename: (i.file_size, i.CRC, changed) for i in file.infolist()}, read


def _walk(path):
    files = {}
    for folder, _, names in os.walk(path):
        below = pathlib.Path(folder).relative_to(path)
        for name in filter(is_picture, names):
            stat = (0, 0)  # of a link that leads nowhere
            with contextlib.suppress(OSError):
                told = os.stat(os.path.join(folder, name))
                stat = told.st_size, told.st_mtime_ns
            files[(below / name).as_posix()] = stat
    return files


def is_picture(name):
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
    return name.lower().endswith(EXTENSIONS) and not hidden


def _picture(data, size, enlarge=False, large=None):
    """The centre square's bytes, of an encoded picture; Skipped says why not.

    `large` is an executor of one thread. It decodes what is large, since each
    thread keeps the memory that it once had.
    """
    image = _opened(data, size)
    if min(image.size) < size and not enlarge:
        raise Skipped(f"smaller than {size}")
    pixels = image.width * image.height
    if pixels > PIXELS:
        raise Skipped("too large")
    if large is not None and pixels > LARGE:
        return large.submit(_square, data, size).result()
    return _square(data, size)


def _opened(data, size):
    """The picture, of which only the header was read."""
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    if min(image.size) >= size:
        image.draft(None, (2 * size, 2 * size))  # a JPEG is decoded smaller, never below that
    return image


def _square(data, size):
    image = _opened(data, size)
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode == "F":
        raise ValueError("floats, of no known range")
    deep = image.mode.startswith("I") and image.getextrema()[1] > 255  # Pillow would clip 16 bits
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    if left or top:  # before anything else is made of the whole picture
        image = image.crop((left, top, left + side, top + side))
    if deep:
        image = Image.fromarray((np.asarray(image) >> 8).astype("uint8"))
    image = image if image.mode == "RGB" else image.convert("RGB")
    return image.resize((size, size), Image.Resampling.LANCZOS).tobytes()


def square(path, size):
    """One file's centre square, uint8 `(size, size, 3)`; ValueError for what is no such picture."""
    data = reading.read_file(path, FILE_BYTES)
    try:
        pixels = _picture(data, size)
    except Skipped as reason:
        raise ValueError(
            f"{path} is {reason} {'pixels on a side' if 'smaller' in str(reason) else 'to decode'}."
            f" A side of {size} or more is needed, and {PIXELS:,} pixels or less."
        ) from None
    except Exception as error:  # Each of Pillow's formats raises its own.
        raise ValueError(f"{path} is damaged or no picture: {error}") from error
    return np.frombuffer(pixels, "uint8").reshape(size, size, 3)


def decode(file, path, read, sizes, size, *, enlarge=False, workers=None, verbose=True):
    """Writes the pictures to a binary file, one after the other.

    `sizes` are those of the encoded pictures, by name. Returns the names of
    the pictures that were written, and lists of the others by reason.
    """
    kept, skipped, names = [], {}, list(sizes)
    encoded = Room(FILE_BYTES)

    def picture(name):
        try:
            with encoded.taken(sizes[name]):
                return _picture(read(name), size, enlarge, large)
        except Skipped as reason:
            return str(reason)
        except Exception:  # Each of Pillow's formats raises its own.
            return "damaged"

    show = _progress(len(names), verbose)
    chunk = min(512, max(1, CHUNK_BYTES // (3 * size * size)))
    with futures.ThreadPoolExecutor(1) as large, futures.ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(names), chunk):
            some = names[start : start + chunk]
            for done, (name, result) in enumerate(zip(some, pool.map(picture, some)), start + 1):
                if isinstance(result, str):
                    skipped.setdefault(result, []).append(name)
                else:
                    file.write(result)
                    kept.append(name)
                show(done)
    if not kept:
        raise ValueError(
            f"None of the pictures in {path} can be used: {summary(skipped)}. Received: "
            f"size={size}."
        )
    return kept, skipped


def _progress(n, verbose):
    """A function of how many are done: a bar on a terminal, else a line now and then."""
    terminal, start = sys.stdout.isatty(), time.monotonic()
    interval = 0.5 if terminal else 30
    bar = keras.utils.Progbar(n, verbose=int(verbose), interval=interval, unit_name="picture")

    def show(done):
        if terminal or time.monotonic() - start > QUIET_SECONDS:
            bar.update(done)

    return show


def summary(skipped, shown=3):
    """What was skipped, with the first names of each kind, and what would help."""
    parts, small = [], False
    for reason, names in skipped.items():
        more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
        parts.append(f"{len(names):,} {reason} ({', '.join(names[:shown])}{more})")
        small |= reason.startswith("smaller")
    hint = "; enlarge=True, in scripts --enlarge, takes the smaller ones, enlarged"
    return ", ".join(parts) + hint * small
