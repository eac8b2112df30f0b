"""Sizes of pictures in the usual lossless formats, in bits/dim.

Two protocols, which differ by much for small pictures, whose files are mostly headers:

- "each": every picture is a file of its own; the sum of all file sizes.
- "set": all pictures are one file: as the tiles of one large picture, or as raw bytes for xz.
"""

import io
import lzma
import math

import numpy as np

FORMATS = {
    "png": {"format": "PNG", "optimize": True},
    "webp": {"format": "WEBP", "lossless": True, "quality": 100, "method": 6, "exact": True},
    "jxl": {"format": "JXL", "lossless": True, "effort": 9},
}


def lossless_sizes(pictures, formats=FORMATS, most=1000):
    """Bits/dim of pictures in lossless formats, as `{protocol: {format: bits/dim}}`.

    Args:
        pictures: uint8 `(n, height, width, channels)`, 1 or 3 channels.
        formats: names; "jxl" is left out if Pillow cannot write it, see `can_write_jxl`.
        most: how many pictures become files of their own, evenly spaced.

    Each file is read again and compared. Raises ValueError if a format changed a picture.
    """
    formats = [name for name in formats if name != "jxl" or can_write_jxl()]
    some = pictures[np.unique(np.linspace(0, len(pictures) - 1, most).astype(int))]
    each = {name: sum(_size(name, x) for x in some) / some.size * 8 for name in formats}
    tiles = mosaic(pictures)
    whole = {name: _size(name, tiles) / pictures.size * 8 for name in formats}
    whole["xz"] = len(lzma.compress(pictures.tobytes(), preset=9 | lzma.PRESET_EXTREME))
    whole["xz"] *= 8 / pictures.size
    return {"pictures_each": len(some), "each": each, "set": whole}


def can_write_jxl():
    """Whether Pillow writes JPEG XL, which it does with the package `pillow-jxl-plugin`."""
    try:
        import pillow_jxl  # noqa: F401  (registers the format)
    except ImportError:
        return False
    return True


def mosaic(pictures):
    """All pictures as tiles of one picture, row by row; places that are left are 0."""
    n, height, width, channels = pictures.shape
    columns = math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    tiles = np.zeros((rows * columns, height, width, channels), "uint8")
    tiles[:n] = pictures
    tiles = tiles.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    return tiles.reshape(rows * height, columns * width, channels)


def _size(name, picture):
    """Bytes of one picture as a file of this format."""
    from PIL import Image

    grey = picture.shape[-1] == 1
    buffer = io.BytesIO()
    Image.fromarray(picture[..., 0] if grey else picture).save(buffer, **FORMATS[name])
    with Image.open(buffer) as file:
        back = np.asarray(file.convert("L" if grey else "RGB")).reshape(picture.shape)
    if not np.array_equal(back, picture):
        raise ValueError(
            f"{name} changed a picture, so it is not lossless here. "
            f"Received: a picture of shape {picture.shape}."
        )
    return len(buffer.getvalue())


def compared(args):
    """A function of (flow, test, batch_size) for `train_on_images`: the sizes as a metric."""

    def metrics(flow, test, batch_size):
        if args.no_comparison or args.bits != 8 or len(test) < 2:
            return {}
        return {"lossless": lossless_sizes(np.asarray(test))}

    return metrics
