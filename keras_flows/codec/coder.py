"""`Coder`: pictures to chunks, many tiles at a time."""

import dataclasses

import numpy as np

from keras_flows.codec import plain
from keras_flows.codec.container import seed
from keras_flows.codec.encoder import Analysis, make_chunks
from keras_flows.codec.sizes import batch_size_for, chunk_size, group_size
from keras_flows.codec.tiles import Plan
from keras_flows.codec.verification import wrong_tiles


@dataclasses.dataclass
class Coded:
    """Coded pictures: their shapes, their chunks, and packed alpha channels or None."""

    tile: tuple
    identity: bytes  # of the model
    shapes: list = dataclasses.field(default_factory=list)
    chunks: list = dataclasses.field(default_factory=list)
    alphas: list = dataclasses.field(default_factory=list)


class Coder(Coded):
    """Codes pictures; `open_codes()` is a context that gives the `IntegerCodes` of a flow.

    With `chunk_each` no chunk has tiles of two pictures, and `each()` has a
    `Coded` for each picture. With `verify` all chunks are decoded at once, and
    tiles that do not come back are stored without the flow.
    """

    def __init__(self, open_codes, tile, levels, identity, chunk_each, batch_size, verify):
        super().__init__(tile, identity)
        self.open_codes, self.levels, self.verify = open_codes, levels, verify
        self.chunk_each, self.batch_size = chunk_each, batch_size
        self.waiting, self.waiting_tiles, self.done = [], 0, 0
        self.chunk_counts = []  # of each picture, with `chunk_each`

    def add(self, picture):
        """One more picture. Returns whether pictures have been coded now."""
        picture = np.asarray(picture)
        place = f"picture {len(self.shapes) + 1}"
        if picture.dtype != np.uint8:
            raise ValueError(
                f"Pictures are uint8 arrays. Received: {picture.dtype} in {place}, of shape "
                f"{picture.shape}."
            )
        tiles, alpha = Plan(picture.shape, self.tile).cut(picture)
        if tiles.max() >= self.levels:
            raise ValueError(
                f"The model codes values from 0 to {self.levels - 1}. "
                f"Received: {tiles.max()} in {place}."
            )
        self.shapes.append(picture.shape)
        self.alphas.append(None if alpha is None else plain.pack(alpha))
        self.waiting.append(tiles)
        self.waiting_tiles += len(tiles)
        full = self.waiting_tiles >= group_size(self.tile)
        if full:
            self._code_waiting(keep_rest=not self.chunk_each)
        return full

    def finish(self):
        """Codes what is left."""
        if not self.shapes:
            raise ValueError("There is nothing to compress. Received: no pictures.")
        if self.waiting:
            self._code_waiting(keep_rest=False)

    def each(self):
        """Yields a `Coded` for each picture."""
        first = 0
        for shape, alpha, count in zip(self.shapes, self.alphas, self.chunk_counts):
            chunks = self.chunks[first : first + count]
            yield Coded(self.tile, self.identity, [shape], chunks, [alpha])
            first += count

    def _code_waiting(self, keep_rest):
        """Codes the tiles that wait, in groups; less than a group may go on waiting."""
        size = group_size(self.tile)
        tiles, counts = np.concatenate(self.waiting), list(map(len, self.waiting))
        self.waiting, self.waiting_tiles = [], 0
        if self.chunk_each:
            sizes = [_split(count, chunk_size(self.tile)) for count in counts]
            self.chunk_counts += map(len, sizes)
            numbers = [i for part in sizes for i in range(len(part))]
            self._code(tiles, sum(sizes, []), numbers)
        else:
            for first in range(0, len(tiles), size):
                group = tiles[first : first + size]
                if len(group) < size and keep_rest:
                    self.waiting, self.waiting_tiles = [group], len(group)
                    break
                sizes = _split(len(group), chunk_size(self.tile))
                self._code(group, sizes, range(len(self.chunks), len(self.chunks) + len(sizes)))
        self.done = len(self.shapes)

    def _code(self, tiles, sizes, numbers):
        """Codes tiles as chunks of these sizes, whose numbers go into their checksums."""
        seeds = [seed(self.identity, number) for number in numbers]
        batch_size = batch_size_for(self.tile, len(tiles), self.batch_size)
        with self.open_codes() as codes:
            analysis = Analysis(codes, tiles, batch_size)
            chunks = make_chunks(tiles, analysis, sizes, seeds)
            while self.verify and not analysis.failed.all():
                wrong = wrong_tiles(codes, tiles, analysis, chunks, seeds, batch_size)
                if not wrong.any():
                    break
                analysis.failed |= wrong
                chunks = make_chunks(tiles, analysis, sizes, seeds)
        self.chunks += chunks


def _split(count, size):
    """Sizes of the parts of `count` tiles."""
    return [min(size, count - first) for first in range(0, count, size)]
