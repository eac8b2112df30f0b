"""Encoded pictures to the pixels of their centre squares, in threads."""

import contextlib
import io
import sys
import threading
import time
from concurrent import futures

import keras
import numpy as np
from PIL import Image, ImageOps

from keras_flows.data import picture_files

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "PPM", "TIFF")  # by content, not by extension
PIXELS = 80_000_000  # the largest picture: 320 MB, and as much again while it is cropped
LARGE = 16_000_000  # pictures of this many pixels or more are decoded one at a time
CHUNK_BYTES = 2**26  # of squares that are decoded before they are written
QUIET_SECONDS = 3  # without a progress bar if the output is no terminal


class Skipped(ValueError):
    """A picture that cannot be used; the message is the reason."""


class SharedBudget:
    """An amount that threads share: `with budget.reserve(n)` waits until n of it are free."""

    def __init__(self, size):
        self._size = self._free = size
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def reserve(self, n):
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


def square(path, size):
    """The centre square of one file, uint8 `(size, size, 3)`.

    Raises ValueError that names the file if it is damaged, too small, too large or no picture.
    """
    data = picture_files.read_picture(path)
    try:
        pixels = _decode_square(data, size)
    except Skipped as reason:
        raise ValueError(
            f"{path} is {reason} {'pixels on a side' if 'smaller' in str(reason) else 'to decode'}."
            f" It must have {size} pixels or more on each side, and no more than {PIXELS:,} pixels."
        ) from None
    except Exception as error:  # Each of Pillow's formats raises its own.
        raise ValueError(f"{path} is damaged or no picture: {error}") from error
    return np.frombuffer(pixels, "uint8").reshape(size, size, 3)


def _decode_square(data, size, enlarge=False, large_executor=None):
    """The bytes of an encoded picture's centre square; raises Skipped with the reason.

    `large_executor` has one thread and decodes all large pictures, because every thread keeps
    the memory that it has used once.
    """
    image = _open(data, size)
    if min(image.size) < size and not enlarge:
        raise Skipped(f"smaller than {size}")
    pixels = image.width * image.height
    if pixels > PIXELS:
        raise Skipped("too large")
    if large_executor is not None and pixels > LARGE:
        return large_executor.submit(_crop_and_resize, data, size).result()
    return _crop_and_resize(data, size)


def _open(data, size):
    """The picture with only its header read."""
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    if min(image.size) >= size:
        image.draft(None, (2 * size, 2 * size))  # decodes a JPEG smaller, but not below that
    return image


def _crop_and_resize(data, size):
    image = _open(data, size)
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode == "F":
        raise ValueError("floats of unknown range")
    has_16_bits = image.mode.startswith("I") and image.getextrema()[1] > 255  # Pillow would clip
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    if left or top:  # before any conversion, which would copy the whole picture
        image = image.crop((left, top, left + side, top + side))
    if has_16_bits:
        image = Image.fromarray((np.asarray(image) >> 8).astype("uint8"))
    image = image if image.mode == "RGB" else image.convert("RGB")
    return image.resize((size, size), Image.Resampling.LANCZOS).tobytes()


def decode(file, path, read, sizes, size, *, enlarge=False, workers=None, verbose=True):
    """Decodes pictures and writes their squares to a binary file, one after another.

    Args:
        file: the binary file.
        path: the folder or zip, for messages.
        read: function of a name that gives the encoded picture.
        sizes: dict, names in their order to sizes of the encoded pictures in bytes.
        size: side of the squares.
        enlarge, workers, verbose: as for `pictures.load`.

    Returns the names of the pictures that were written, and a dict, reason to names, of those
    that were skipped. Raises ValueError if no picture can be used.
    """
    kept, skipped, names = [], {}, list(sizes)
    budget = SharedBudget(picture_files.FILE_BYTES)

    def decode_one(name):
        try:
            with budget.reserve(sizes[name]):
                return _decode_square(read(name), size, enlarge, large_executor)
        except Skipped as reason:
            return str(reason)
        except Exception:  # Each of Pillow's formats raises its own.
            return "damaged"

    show = _progress(len(names), verbose)
    step = min(512, max(1, CHUNK_BYTES // (3 * size * size)))
    with futures.ThreadPoolExecutor(1) as large_executor, futures.ThreadPoolExecutor(workers) as e:
        for start in range(0, len(names), step):
            chunk = names[start : start + step]
            for done, (name, result) in enumerate(zip(chunk, e.map(decode_one, chunk)), start + 1):
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
    """A function that shows how many pictures are done: a bar, or a line now and then."""
    is_terminal, start = sys.stdout.isatty(), time.monotonic()
    interval = 0.5 if is_terminal else 30
    bar = keras.utils.Progbar(n, verbose=int(verbose), interval=interval, unit_name="picture")

    def show(done):
        if is_terminal or time.monotonic() - start > QUIET_SECONDS:
            bar.update(done)

    return show


def summary(skipped, shown=3):
    """Counts and first names of the skipped pictures by reason, and advice for small ones."""
    parts, any_small = [], False
    for reason, names in skipped.items():
        more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
        parts.append(f"{len(names):,} {reason} ({', '.join(names[:shown])}{more})")
        any_small |= reason.startswith("smaller")
    hint = "; use enlarge=True, in scripts --enlarge, to enlarge small pictures"
    return ", ".join(parts) + hint * any_small
