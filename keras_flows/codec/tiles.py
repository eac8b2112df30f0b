"""Pictures of any size as tiles of a model's size, and back.

A picture is a uint8 array (height, width) or (height, width, channels): 1 channel is grey, 2 grey
and alpha, 3 colours, 4 colours and alpha. Its edges are repeated up to whole tiles. A model of
colours sees grey three times; a model of grey sees each colour as a picture of its own. Alpha is
stored without the model.
"""

import dataclasses
import math

import numpy as np

MOST_VALUES = 2**30  # of a picture


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a picture of `shape` is cut into tiles of the shape `tile`.

    Raises ValueError for a shape that the model cannot code.
    """

    shape: tuple
    tile: tuple

    def __post_init__(self):
        shape, tile = self.shape, self.tile
        is_picture = len(shape) in (2, 3) and all(isinstance(n, int) and n > 0 for n in shape)
        if not is_picture or math.prod(shape) > MOST_VALUES:
            raise ValueError(
                "A picture has a shape (height, width) or (height, width, channels), and no more "
                f"than {MOST_VALUES:,} values. Received: shape {shape}."
            )
        if self.channels != tile[2] and (self.channels > 4 or tile[2] not in (1, 3)):
            raise ValueError(
                f"The model codes {tile[2]} channels; it can code grey and colours, with alpha or "
                f"without, if it has 1 or 3. Received: a picture of shape {shape}."
            )

    @property
    def channels(self):
        return self.shape[2] if len(self.shape) == 3 else 1

    @property
    def alpha(self):
        """Whether the last channel is stored without the model."""
        return self.channels != self.tile[2] and self.channels in (2, 4)

    @property
    def planes(self):
        """How often the model runs over the picture."""
        colours = self.channels - self.alpha
        return colours if self.tile[2] == 1 else 1

    @property
    def rows(self):
        return -(-self.shape[0] // self.tile[0])

    @property
    def columns(self):
        return -(-self.shape[1] // self.tile[1])

    @property
    def count(self):
        """Number of tiles."""
        return self.planes * self.rows * self.columns

    def cut(self, picture):
        """The tiles `(count, *tile)`, and the alpha channel `(height, width, 1)` or None."""
        picture = picture.reshape(*self.shape[:2], self.channels)
        alpha = picture[:, :, -1:] if self.alpha else None
        picture = picture[:, :, : self.channels - self.alpha]
        height, width, depth = self.tile
        if picture.shape[2] < depth:
            picture = np.repeat(picture, depth, axis=2)
        missing = self.rows * height - self.shape[0], self.columns * width - self.shape[1]
        if any(missing):
            picture = np.pad(picture, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
        tiles = picture.reshape(self.rows, height, self.columns, width, self.planes, depth)
        return tiles.transpose(4, 0, 2, 1, 3, 5).reshape(-1, *self.tile), alpha

    def join(self, tiles, alpha=None):
        """The picture of its tiles."""
        height, width, depth = self.tile
        tiles = tiles.reshape(self.planes, self.rows, self.columns, height, width, depth)
        picture = tiles.transpose(1, 3, 2, 4, 0, 5)
        picture = picture.reshape(self.rows * height, self.columns * width, -1)
        picture = picture[: self.shape[0], : self.shape[1], : self.channels - self.alpha]
        parts = [picture, alpha] if self.alpha else [picture]
        return np.concatenate(parts, axis=2).reshape(self.shape)
