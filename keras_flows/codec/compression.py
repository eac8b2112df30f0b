"""`compress`: pictures to the bytes of a `.kfz` file."""

import pathlib
import platform
import tempfile

import keras
import numpy as np

from keras_flows.codec import plain
from keras_flows.codec.container import MOST_SMALL, Container, seed
from keras_flows.codec.decoder import decode_chunks
from keras_flows.codec.encoder import Analysis, make_chunks
from keras_flows.codec.precise import codes_of, model_hash
from keras_flows.codec.sizes import batch_size_for, chunk_size, group_size
from keras_flows.codec.tiles import Plan
from keras_flows.files import written_whole


def compress(
    flow,
    pictures,
    out=None,
    *,
    names=None,
    embed=False,
    batch_size=None,
    verify=True,
    progress=None,
):
    """Compresses pictures without loss, by the probabilities of an integer flow.

    Args:
        flow: a `Flow` of integers such as `IDF`, of pictures (height, width, channels).
        pictures: uint8 array (n, ...) or an iterable of arrays (height, width)
            or (height, width, channels) of any sizes. With 2 or 4 channels the
            last one is alpha.
        out: path of the file to write; None returns its bytes.
        names: list with the name of each picture, or None.
        embed: whether the file contains the model.
        batch_size: tiles that the networks see at once; None chooses.
        verify: whether everything is decoded at once. What does not come back
            is stored without the model.
        progress: function that is called with the number of finished pictures.

    Returns the bytes, or the number of bytes written. Raises ValueError for a
    flow that is not of integers and for arrays that are not pictures of it.

    >>> data = codec.compress(flow, pictures)
    >>> assert np.array_equal(codec.decompress(data, flow), pictures)
    """
    tile = tile_shape(flow)
    identity = model_hash(flow)
    with codes_of(flow, identity) as codes:
        writer = _Writer(codes, tile, identity, batch_size, verify, progress or (lambda n: None))
        for picture in pictures:
            writer.add(picture)
        writer.finish()
    container = writer.container(flow, names, embed)
    data = container.to_bytes()
    if out is None:
        return data
    with written_whole(out) as partial:
        pathlib.Path(partial).write_bytes(data)
    return len(data)


def tile_shape(flow):
    shape = tuple(getattr(flow, "data_shape", ()))
    if not getattr(flow, "exact", False) or len(shape) != 3 or flow.levels > 256:
        raise ValueError(
            "The codec takes a flow of integers of pictures (height, width, channels) of up to 256 "
            f"levels, such as IDF. Received: {getattr(flow, 'name', flow)}, of shape {shape}."
        )
    return shape


class _Writer:
    """Collects tiles, and codes them in groups."""

    def __init__(self, codes, tile, identity, batch_size, verify, progress):
        self.codes, self.tile, self.identity, self.verify = codes, tile, identity, verify
        self.batch_size, self.progress = batch_size, progress
        self.chunks, self.shapes, self.alphas, self.waiting = [], [], [], []
        self.waiting_tiles = 0

    def add(self, picture):
        """One more picture."""
        picture = np.asarray(picture)
        place = f"picture {len(self.shapes) + 1}"
        if picture.dtype != np.uint8:
            raise ValueError(
                f"Pictures are uint8 arrays. Received: {picture.dtype} in {place}, of shape "
                f"{picture.shape}."
            )
        plan = Plan(picture.shape, self.tile)
        tiles, alpha = plan.cut(picture)
        if tiles.max() >= self.codes.levels:
            raise ValueError(
                f"The model codes values from 0 to {self.codes.levels - 1}. "
                f"Received: {tiles.max()} in {place}."
            )
        self.shapes.append(picture.shape)
        self.alphas += [] if alpha is None else [plain.pack(alpha)]
        self.waiting.append(tiles)
        self.waiting_tiles += len(tiles)
        size = group_size(self.tile)
        if self.waiting_tiles >= size:
            tiles = self._take()
            whole = len(tiles) // size * size
            for first in range(0, whole, size):
                self._code(tiles[first : first + size])
            if whole < len(tiles):
                self.waiting, self.waiting_tiles = [tiles[whole:]], len(tiles) - whole
            self.progress(len(self.shapes))

    def _take(self):
        tiles = np.concatenate(self.waiting)
        self.waiting, self.waiting_tiles = [], 0
        return tiles

    def finish(self):
        """Codes what is left."""
        if not self.shapes:
            raise ValueError("There is nothing to compress. Received: no pictures.")
        if self.waiting:
            self._code(self._take())
        self.progress(len(self.shapes))

    def _code(self, tiles):
        size = chunk_size(self.tile)
        sizes = [min(size, len(tiles) - first) for first in range(0, len(tiles), size)]
        seeds = [seed(self.identity, len(self.chunks) + i) for i in range(len(sizes))]
        batch_size = batch_size_for(self.tile, len(tiles), self.batch_size)
        analysis = Analysis(self.codes, tiles, batch_size)
        while True:
            chunks = make_chunks(tiles, analysis, sizes, seeds)
            if not self.verify or analysis.failed.all():
                break
            result, damaged = decode_chunks(self.codes, chunks, seeds, batch_size)
            wrong = (result != tiles).any(axis=(1, 2, 3))
            wrong |= np.repeat(damaged, sizes) & ~wrong.any()
            if not wrong.any():
                break
            analysis.failed |= wrong
        self.chunks += chunks

    def container(self, flow, names, embed):
        """The file of all chunks; a small one without description if that is enough."""
        same = set(self.shapes)
        small = names is None and not embed and same == {self.tile} and len(self.chunks) == 1
        if small and self.chunks[0].tiles <= MOST_SMALL and len(self.chunks[0].lanes) == 1:
            return Container(self.identity, self.chunks)
        names = None if names is None else list(map(str, names))
        if names is not None and len(names) != len(self.shapes):
            raise ValueError(
                "There is a name for each picture. "
                f"Received: {len(names)} names for {len(self.shapes)} pictures."
            )
        description = {
            "tile": self.tile,
            "pictures": len(self.shapes),
            "shapes": self.shapes[:1] if len(same) == 1 else self.shapes,
            "names": names,
            "model": {"name": flow.name, "sha256": self.identity.hex()},
            "written": _versions(),
        }
        alpha = b"".join(len(a).to_bytes(4, "big") + a for a in self.alphas)
        return Container(
            self.identity, self.chunks, description, alpha, _file_of(flow) if embed else b""
        )


def _versions():
    """What wrote a file, for whoever must find out why it cannot be read."""
    return {
        "keras": keras.__version__,
        "numpy": np.__version__,
        "backend": keras.backend.backend(),
        "machine": platform.machine(),
    }


def _file_of(flow):
    """The bytes of the saved flow."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "model.keras")
        flow.save(path)
        return path.read_bytes()
