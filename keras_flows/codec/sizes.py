"""How many tiles go into a batch, a chunk and a group.

Only the size of a chunk is in the file. A batch is what the networks see at once, a group what is
in memory at once.
"""

import math

from keras_flows.codec.chunks import MOST_TILES

BATCH, CHUNK, GROUP = 2**17, 2**17, 2**21  # values


def batch_size_for(tile, tiles, batch_size=None):
    """Tiles of a batch: a power of 2 for few tiles, so that networks compile for few sizes."""
    if batch_size is None:
        batch_size = max(1, min(128, BATCH // math.prod(tile)))
    return min(batch_size, 1 << (tiles - 1).bit_length())


def chunk_size(tile):
    """Tiles of a chunk."""
    return max(1, min(MOST_TILES, CHUNK // math.prod(tile)))


def group_size(tile):
    """Tiles of a group, a multiple of those of a chunk."""
    return chunk_size(tile) * max(1, GROUP // (chunk_size(tile) * math.prod(tile)))
