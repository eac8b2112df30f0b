"""From the files of a folder or a zip to the bytes of squares, in threads."""

import contextlib
import io
import os
import pathlib
import threading
import zipfile
from concurrent import futures

import keras
import numpy as np
from PIL import Image, ImageOps

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".ppm", ".tif", ".tiff")
CHUNK = 512  # pictures that are decoded before they are written


@contextlib.contextmanager
def opened(path):
    """The files of a folder or zip, by name what changes with them, and what reads one."""
    if path.is_dir():
        yield _walk(path), lambda name: (path / name).read_bytes()
        return
    if not path.exists():
        raise FileNotFoundError(f"No pictures at {path}: a folder or a zip of them.")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is damaged or neither a folder nor a zip of pictures.")
    try:
        file, lock = zipfile.ZipFile(path), threading.Lock()
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(f"{path} is a damaged zip: {error}") from error

    def read(name):
        with lock:
            return file.read(name)

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


def _picture(data, size):
    """The centre square's bytes; None where the picture is too small."""
    image = Image.open(io.BytesIO(data))
    if min(image.size) < size:
        return None
    image.draft(None, (2 * size, 2 * size))  # a JPEG is decoded smaller, never below that
    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise ValueError("floats, of no known range")
    if image.mode.startswith("I") and np.asarray(image).max() > 255:  # Pillow would clip 16 bits
        image = Image.fromarray((np.asarray(image) >> 8).astype("uint8"))
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.convert("RGB").crop((left, top, left + side, top + side))
    return square.resize((size, size), Image.Resampling.LANCZOS).tobytes()


def square(path, size):
    """One file's centre square, uint8 `(size, size, 3)`; ValueError for what is no such picture."""
    try:
        data = _picture(path.read_bytes(), size)
    except FileNotFoundError:
        raise
    except Exception as error:  # Each of Pillow's formats raises its own.
        raise ValueError(f"{path} is damaged or no picture: {error}") from error
    if data is None:
        raise ValueError(f"{path} is smaller than {size} pixels on a side. Give a larger picture.")
    return np.frombuffer(data, "uint8").reshape(size, size, 3)


def decode(file, path, read, names, size, workers, verbose):
    """Writes the pictures to a binary file, one after the other; their names, and the skipped."""
    kept, skipped = [], {}

    def picture(name):
        try:
            return _picture(read(name), size) or f"smaller than {size}"
        except Exception:  # Each of Pillow's formats raises its own.
            return "damaged"

    bar = keras.utils.Progbar(len(names), verbose=int(verbose), interval=0.5, unit_name="picture")
    with futures.ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(names), CHUNK):
            chunk = names[start : start + CHUNK]
            for name, result in zip(chunk, pool.map(picture, chunk)):
                if isinstance(result, str):
                    skipped[result] = skipped.get(result, 0) + 1
                else:
                    file.write(result)
                    kept.append(name)
            bar.update(start + len(chunk))
    if not kept:
        raise ValueError(
            f"None of the pictures in {path} can be used: {skipped}. Whole ones are needed, no "
            f"smaller than the size asked for. Received: size={size}."
        )
    return kept, skipped
