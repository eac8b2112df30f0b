"""Pixels without a model: differences of neighbours, deflated. For what a flow cannot code."""

import zlib

import numpy as np

from keras_flows.codec.varints import Damaged


def pack(pixels):
    """The bytes of uint8 pixels `(..., height, width, channels)`."""
    left = np.diff(pixels, axis=-2, prepend=np.zeros_like(pixels[..., :1, :]))
    both = np.diff(left, axis=-3, prepend=np.zeros_like(left[..., :1, :, :]))
    return zlib.compress(both.tobytes(), 9)


def unpack(data, shape):
    """The pixels of a shape; raises Damaged for bytes that are not theirs."""
    size = int(np.prod(shape, dtype="int64"))
    decoder = zlib.decompressobj()
    try:
        values = decoder.decompress(data, size) if size else b""
    except zlib.error as error:
        raise Damaged(f"Pixels without a model cannot be read. Received: {error}.") from error
    if len(values) != size or size and decoder.decompress(decoder.unconsumed_tail, 1):
        raise Damaged(f"Pixels have another size. Received: {len(values)} of {size} bytes.")
    both = np.frombuffer(values, "uint8").reshape(shape)
    left = np.cumsum(both, axis=-3, dtype="uint8")
    return np.cumsum(left, axis=-2, dtype="uint8")
