"""A chunk: some tiles as bytes that are decoded without the rest of the file.

    varint   2 n + more: n tiles, and whether exceptions follow
    exceptions, if any: varint length of
        4 bytes  CRC-32 of the pixels
        varint   number of plain tiles, then their distances; varint length and bytes of their
                 pixels (`plain`)
        varint   number of guards, then for each: event, tile, position, side (`rounding`)
        varint   number of symbols outside of their windows, then how far outside each is
    varint   number of lanes, unless the file says that there is one
    varint   bytes of each lane but the last
    lanes    the bytes of the lanes (`rans`)

Lane j begins with CRC-32 of the pixels xor 0x9E3779B1 j: this is what a decoder checks.
"""

import dataclasses
import zlib

import numpy as np

from keras_flows.codec.varints import Damaged, Reader, varint

SPREAD = 0x9E3779B1
MOST_TILES, MOST_LANES = 2**10, 2**16


@dataclasses.dataclass
class Chunk:
    """The parts of a chunk; `lanes` are bytes, `guards` tuples (event, tile, position, side)."""

    tiles: int
    lanes: list
    plain: list = dataclasses.field(default_factory=list)  # indices of tiles
    plain_data: bytes = b""
    guards: list = dataclasses.field(default_factory=list)
    outside: list = dataclasses.field(default_factory=list)
    crc: int | None = None  # only with exceptions

    @property
    def coded(self):
        """Indices of the tiles that the flow codes."""
        return np.setdiff1d(np.arange(self.tiles), self.plain)

    @property
    def exceptional(self):
        return bool(self.plain or self.guards or self.outside or not self.lanes)

    def to_bytes(self, one_lane=False):
        head = varint(2 * self.tiles + self.exceptional)
        if self.exceptional:
            block = self._exceptions()
            head += varint(len(block)) + block
        if not one_lane:
            head += varint(len(self.lanes))
        sizes = b"".join(varint(len(lane)) for lane in self.lanes[:-1])
        return head + sizes + b"".join(self.lanes)

    def _exceptions(self):
        distances = np.diff(self.plain, prepend=0).tolist() if self.plain else []
        numbers = [len(self.plain), *distances, len(self.plain_data)]
        after = [len(self.guards), *(int(v) for guard in self.guards for v in guard)]
        after += [len(self.outside), *map(int, self.outside)]
        first, second = (b"".join(map(varint, part)) for part in (numbers, after))
        return self.crc.to_bytes(4, "big") + first + self.plain_data + second

    @classmethod
    def from_bytes(cls, data, one_lane=False):
        """Raises Damaged for bytes that are no chunk. Nothing is decoded yet."""
        reader = Reader(data)
        tiles, more = divmod(reader.varint(2 * MOST_TILES + 1), 2)
        chunk = cls(tiles, [])
        if more:
            chunk._read_exceptions(Reader(reader.bytes(reader.varint())))
        count = 1 if one_lane else reader.varint(MOST_LANES)
        if not tiles or bool(count) == (len(chunk.plain) == tiles):
            raise Damaged(f"A chunk has no tiles or no lanes. Received: {tiles} and {count}.")
        sizes = reader.varints(count - 1) if count else []
        chunk.lanes = [reader.bytes(size) for size in sizes]
        chunk.lanes += [reader.bytes(reader.left)] if count else []
        if reader.left or any(len(lane) < 5 for lane in chunk.lanes):
            raise Damaged(f"Lanes do not fill their chunk. Received: {reader.left} bytes left.")
        return chunk

    def _read_exceptions(self, reader):
        self.crc = int.from_bytes(reader.bytes(4), "big")
        distances = reader.varints(reader.varint(self.tiles), self.tiles)
        self.plain = np.cumsum(distances, dtype="int64").tolist()
        if len(set(self.plain)) < len(self.plain) or self.plain and self.plain[-1] >= self.tiles:
            raise Damaged(f"Plain tiles are not in order. Received: {self.plain[:9]}.")
        self.plain_data = reader.bytes(reader.varint())
        numbers = reader.varints(4 * reader.varint(reader.left))
        self.guards = [tuple(numbers[i : i + 4]) for i in range(0, len(numbers), 4)]
        self.outside = reader.varints(reader.varint(reader.left))
        inside = all(tile < self.tiles and side < 2 for _, tile, _, side in self.guards)
        if reader.left or not inside:
            raise Damaged(f"Exceptions of a chunk are wrong. Received: {reader.left} bytes left.")


def checksum(pixels, seed=0):
    """CRC-32 of uint8 pixels."""
    return zlib.crc32(np.ascontiguousarray(pixels, "uint8"), seed)


def checks(crc, lanes):
    """The check values of a chunk's lanes."""
    return crc ^ (np.arange(lanes, dtype="uint64") * np.uint64(SPREAD) & np.uint64(2**32 - 1))
