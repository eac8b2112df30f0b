"""Sizes of pictures in a flow's .kfz files and in the usual lossless formats, in bits/dim.

Two protocols, which differ by much for small pictures, whose files are mostly headers:

- "each": every picture is a file of its own; the sum of all file sizes.
- "set": all pictures are one file: as the tiles of one large picture, or as raw bytes for xz.
"""

import io
import lzma
import math

import numpy as np

from keras_flows import codec

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
    some = evenly(pictures, most)
    each = {name: sum(_size(name, x) for x in some) / some.size * 8 for name in formats}
    tiles = mosaic(pictures)
    whole = {name: _size(name, tiles) / pictures.size * 8 for name in formats}
    whole["xz"] = len(lzma.compress(pictures.tobytes(), preset=9 | lzma.PRESET_EXTREME))
    whole["xz"] *= 8 / pictures.size
    return {"pictures_each": len(some), "each": each, "set": whole}


def coded_sizes(flow, pictures, most=1000):
    """Bits/dim of pictures that the codec compresses with a flow of integers.

    `exact` are the bits/dim that the flow gives to these pictures; `set` is one file of all of
    them, and `each` has a file for each. Raises ValueError if the one file does not decode to the
    same pictures.
    """
    some = evenly(pictures, most)
    whole = codec.compress(flow, some, verify=False)
    if not np.array_equal(codec.decompress(whole, flow), some):
        raise ValueError("The codec changed a picture, so it is not lossless here.")
    each = sum(map(len, codec.compress_each(flow, some, verify=False)))
    return {
        "pictures": len(some),
        "exact": float(np.mean(flow.bits_per_dim(some))),
        "set": 8 * len(whole) / some.size,
        "each": 8 * each / some.size,
    }


def evenly(pictures, most):
    """At most `most` of the pictures, evenly spaced."""
    return pictures[np.unique(np.linspace(0, len(pictures) - 1, most).astype(int))]


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
    """A function of (flow, test, batch_size) for `train_on_images`: the sizes as metrics."""

    def metrics(flow, test, batch_size):
        test = np.asarray(test)
        result = {"coded": coded_sizes(flow, test, args.coded)} if args.coded and len(test) else {}
        if args.no_comparison or args.bits != 8 or len(test) < 2:
            return result
        return {"lossless": lossless_sizes(test), **result}

    return metrics
