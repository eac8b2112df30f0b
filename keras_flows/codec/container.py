"""The file: header, description, chunks and checksum. docs/codec_format.md has the format."""

import dataclasses
import json
import zlib

from keras_flows.codec.chunks import Chunk
from keras_flows.codec.tiles import Plan
from keras_flows.codec.varints import Damaged, Reader, varint

MAGIC, VERSION = b"KFZ", 1
FULL = 1  # flag: with description and checksum
MOST_SMALL = 63  # tiles of a file without description
MOST_TEXT = 2**28  # bytes of an unpacked description


@dataclasses.dataclass
class Container:
    """What is in a file.

    `description` is a dict, None in a small file: then all pictures have the
    shape of the model's data. `alpha` are the alpha channels, packed, and
    `embedded` the bytes of the model's file.
    """

    model_id: bytes
    chunks: list
    description: dict | None = None
    alpha: bytes = b""
    embedded: bytes = b""

    @property
    def header(self):
        flag = FULL if self.description is not None else 0
        return MAGIC + bytes([flag << 4 | VERSION]) + self.model_id[:4]

    @property
    def seeds(self):
        """The seed of each chunk's checksum."""
        return [seed(self.model_id, i) for i in range(len(self.chunks))]

    def to_bytes(self):
        if self.description is None:
            return self.header + self.chunks[0].to_bytes(one_lane=True)
        sizes = {"alpha": len(self.alpha), "embedded": len(self.embedded)}
        text = json.dumps({**self.description, **sizes}, separators=(",", ":"))
        text = zlib.compress(text.encode(errors="surrogateescape"), 9)
        parts = [self.header, varint(len(text)), text, self.embedded, self.alpha]
        parts.append(varint(len(self.chunks)))
        for chunk in self.chunks:
            data = chunk.to_bytes()
            parts += [varint(len(data)), data]
        body = b"".join(parts)
        return body + zlib.crc32(body).to_bytes(4, "big")

    @classmethod
    def from_bytes(cls, data):
        """Raises Damaged, or ValueError for what is no such file. Nothing is decoded yet."""
        flag, version, model_id = _header(data)
        if version != VERSION:
            raise ValueError(
                f"This file has version {version}; this keras_flows reads version {VERSION}: "
                f"update keras_flows. Received: {len(data):,} bytes."
            )
        if flag not in (0, FULL):
            raise Damaged(f"The file is damaged: its flags are unknown. Received: {flag}.")
        if not flag:
            chunk = Chunk.from_bytes(data[8:], one_lane=True)
            if chunk.tiles > MOST_SMALL:
                raise Damaged(f"The file is damaged. Received: {chunk.tiles} tiles in a chunk.")
            return cls(model_id, [chunk])
        body, crc = data[:-4], data[-4:]
        if zlib.crc32(body).to_bytes(4, "big") != crc:
            raise Damaged(
                f"The file is damaged: its checksum does not fit. Received: {len(data):,} bytes."
            )
        return cls._full(model_id, Reader(body[8:]))

    @classmethod
    def _full(cls, model_id, reader):
        description = _description(reader.bytes(reader.varint()))
        embedded, alpha = (reader.bytes(description[k]) for k in ("embedded", "alpha"))
        count = reader.varint(reader.left)
        chunks = [Chunk.from_bytes(reader.bytes(reader.varint())) for _ in range(count)]
        container = cls(model_id, chunks, description, alpha, embedded)
        tiles = sum(plan.count for plan in container.plans())
        if reader.left or tiles != sum(chunk.tiles for chunk in chunks):
            raise Damaged(f"The file is damaged: tiles are missing. Received: {tiles} expected.")
        return container

    def plans(self, tile=None):
        """The `Plan` of each picture; a file without description needs the model's shape."""
        if self.description is None:
            return [Plan(tuple(tile), tuple(tile))] * self.chunks[0].tiles
        tile = tuple(self.description["tile"])
        shapes, count = self.description["shapes"], self.description["pictures"]
        shapes = shapes * count if len(shapes) == 1 else shapes
        plans = {tuple(shape): Plan(tuple(shape), tile) for shape in shapes}
        return [plans[tuple(shape)] for shape in shapes]

    @property
    def names(self):
        """Names of the pictures, or None."""
        return None if self.description is None else self.description["names"]


def seed(model_id, number):
    """The seed of the checksum of a chunk: chunks fit only their model and their place."""
    return zlib.crc32(model_id[:4] + number.to_bytes(4, "big"))


def _header(data):
    if len(data) < 4 or data[:3] != MAGIC:
        raise ValueError(
            "This is no file of compressed pictures (.kfz): it does not begin with KFZ. "
            f"Received: {bytes(data[:4])!r}."
        )
    if len(data) < 12:
        raise Damaged(f"The file is cut short. Received: {len(data)} bytes.")
    return data[3] >> 4, data[3] & 15, bytes(data[4:8])


def _description(packed):
    """The description, with everything that is read from it checked."""
    try:
        decoder = zlib.decompressobj()
        text = decoder.decompress(packed, MOST_TEXT)
        if not decoder.eof:
            raise ValueError("it is too large")
        value = json.loads(text)
        tile, count = value["tile"], value["pictures"]
        shapes, names = value["shapes"], value["names"]
        if not all(isinstance(value[key], dict) for key in ("model", "written")):
            raise ValueError("no model and no versions")
        numbers = [*tile, count, value["alpha"], value["embedded"]]
        if len(tile) != 3 or not all(type(n) is int and n >= 0 for n in numbers) or 0 in tile:
            raise ValueError(f"sizes {numbers}")
        if len(shapes) not in (1, count) or names is not None and len(names) != count:
            raise ValueError(f"{count} pictures, {len(shapes)} shapes")
        if names is not None and not all(isinstance(name, str) for name in names):
            raise ValueError("names that are no text")
    except (zlib.error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Damaged(f"The description of the file is damaged. Received: {error}.") from error
    return value
