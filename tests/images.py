"""Pictures made on the fly, in folders and zips."""

import io
import threading
import zipfile

import numpy as np
from PIL import Image

from keras_flows import pictures

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
IN_BUFFER = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP", ".gif": "GIF"}


def encoded(image, suffix=".png", **options):
    buffer = io.BytesIO()
    image.save(buffer, IN_BUFFER[suffix], **options)
    return buffer.getvalue()


def plain(color=RED, size=(8, 8), mode="RGB"):
    return Image.new("RGB", size, color).convert(mode)


def noise(size=(40, 30), seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), "uint8")
    return Image.fromarray(pixels)


def write(place, files, as_zip=False):
    """Writes `files`, a dictionary from name to bytes or picture, to a folder or a zip."""
    files = {k: encoded(v) if isinstance(v, Image.Image) else v for k, v in files.items()}
    if as_zip:
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in files.items():
                file.writestr(name, data)
    for name, data in {} if as_zip else files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    return place


def load(path, size=8, **options):
    """`pictures.load` with a cache beside `path`, for one test alone."""
    return pictures.load(path, size, **{"cache": path.parent / "cache", "verbose": 0, **options})


def in_time(call, *args, seconds=20, **options):
    """What `call` returns or raises; AssertionError if it hangs."""
    done = []

    def run():
        try:
            done.append((call(*args, **options), None))
        except Exception as error:
            done.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert done, f"hangs for {seconds} seconds"
    result, error = done[0]
    if error:
        raise error
    return result
