"""A picture of one's own: as data of a flow, and what the flow makes of it."""

import dataclasses
import io
import math

import numpy as np

from keras_flows import codec
from keras_flows.data import datasets
from keras_flows.demo.choices import choices, context_of
from keras_flows.demo.pictures import enlarged
from keras_flows.plots.grids import grid


@dataclasses.dataclass
class Measured:
    """What a flow says of a picture.

    `reconstruction` is the picture beside decoder(encoder(picture)).
    `bits_per_dim` is None for a flow of floats, `compressed_bytes` for a flow
    that is not one of integers.
    """

    reconstruction: np.ndarray
    largest_error: float
    log_prob: float
    bits_per_dim: float | None
    compressed_bytes: int | None
    png_bytes: int

    def rows(self):
        """Lines of a table, `(what, value)`."""
        rows = [("log-likelihood", f"{self.log_prob:.1f} nats")]
        if self.bits_per_dim is not None:
            rows.append(("bits/dim", f"{self.bits_per_dim:.3f}"))
        rows.append(("reconstruction", f"largest error {self.largest_error:.3g}"))
        if self.compressed_bytes is not None:
            rows.append(("compressed by the flow", f"{self.compressed_bytes:,} bytes"))
        return [*rows, ("as PNG", f"{self.png_bytes:,} bytes")]


def as_data(flow, picture, inverted=False):
    """A picture, uint8 of any size, as data of the flow: its centre square in the flow's size.

    `inverted` makes black white, for dark digits on a light ground. Raises ValueError for what is
    not a picture.

    >>> x = as_data(flow, np.asarray(Image.open("three.png")))
    """
    from PIL import Image

    picture = np.asarray(picture)
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or 0 in picture.shape:
        raise ValueError(
            "A picture is uint8 of shape (height, width) or (height, width, channels). "
            f"Received: dtype={picture.dtype}, shape={picture.shape}."
        )
    side, grey = choices(flow).side, flow.data_shape[-1] != 3
    image = Image.fromarray(picture[..., 0] if picture.shape[2:] == (1,) else picture)
    image = image.convert("L" if grey else "RGB")
    least = min(image.size)
    left, top = (image.width - least) // 2, (image.height - least) // 2
    image = image.crop((left, top, left + least, top + least))
    if least != side:
        image = image.resize((side, side), Image.Resampling.LANCZOS)
    pixels = np.asarray(image)
    return datasets.as_input(flow, (255 - pixels if inverted else pixels)[None])[0]


def measured(flow, x, label=None):
    """The `Measured` of data `x`, one sample without a batch axis."""
    context, batch = context_of(flow, label), x[None]
    log_prob = float(flow.log_prob(batch, context)[0])
    back = flow.reconstruct(batch, context)
    beside = grid(np.concatenate([batch, back.astype(batch.dtype)]), 1, 2, None, flow.levels)
    exact = flow.exact and flow.levels == 256 and len(flow.data_shape) == 3
    return Measured(
        reconstruction=enlarged(beside, least=280),
        largest_error=float(np.abs(back.astype("float64") - batch).max()),
        log_prob=log_prob,
        bits_per_dim=-log_prob / flow.dims / math.log(2) if flow.discrete else None,
        compressed_bytes=len(codec.compress(flow, batch)) if exact else None,
        png_bytes=png_size(grid(batch, 1, 1, None, flow.levels)),
    )


def png_size(picture):
    """Bytes of a uint8 picture `(height, width, channels)` as an optimised PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    picture = picture[..., 0] if picture.shape[-1] == 1 else picture
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return len(buffer.getvalue())
