"""`decompress` and `Archive`: from the bytes of a `.kfz` file back to pictures."""

import math
import os
import pathlib
import tempfile
import warnings

import keras
import numpy as np

from keras_flows import presets
from keras_flows.codec import plain
from keras_flows.codec.compression import tile_shape
from keras_flows.codec.container import VERSION, Container
from keras_flows.codec.decoder import decode_chunks
from keras_flows.codec.precise import codes_of, model_hash
from keras_flows.codec.sizes import batch_size_for, group_size
from keras_flows.codec.varints import Damaged, Reader

MOST_BYTES = 2**34  # of a file


def decompress(data, flow=None, *, batch_size=None, progress=None):
    """The pictures of a `.kfz` file: an array if all have one shape, otherwise a list.

    Args:
        data: bytes, or the path of a file.
        flow: the flow that compressed them; None uses the one in the file, or the preset
            of the package that compressed them.
        batch_size: tiles that the networks see at once; None chooses.
        progress: function that is called with the number of finished pictures.

    Raises ValueError for another model and for a file without model if `flow`
    is None, and `Damaged`, a ValueError, for a file that was changed or cut.

    >>> pictures = codec.decompress("pictures.kfz", flow)
    """
    archive = Archive(data)
    pictures = []
    for picture in archive.pictures(flow, batch_size):
        pictures.append(picture)
        if progress:
            progress(len(pictures))
    same = len({picture.shape for picture in pictures}) == 1
    return np.stack(pictures) if same else pictures


class Archive:
    """A `.kfz` file. `data` is its bytes or its path; nothing is decoded at first.

    `names` has the names of the pictures or is None, `description` is a dict
    or None, `embedded` tells whether the model is in the file.

    Raises FileNotFoundError, ValueError, and `Damaged`, a ValueError.

    >>> for name, picture in zip(archive.names, archive.pictures(flow)): ...
    """

    def __init__(self, data):
        if isinstance(data, (str, os.PathLike)):
            data = _read(pathlib.Path(data))
        self.size = len(data)
        self._container = Container.from_bytes(bytes(data))
        self.names, self.description = self._container.names, self._container.description
        self.model_id = self._container.model_id
        self.embedded = bool(self._container.embedded)

    def flow(self):
        """The flow in the file, else the package's preset that wrote it, else a ValueError."""
        if not self.embedded:
            if self.preset:
                return presets.from_preset(self.preset)
            raise ValueError(
                "This file does not contain its model: give the flow that compressed it, in a "
                f"terminal with --model MODEL.keras. Received: a file of {self._model_name()}."
            )
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "model.keras")
            path.write_bytes(self._container.embedded)
            return keras.saving.load_model(path, compile=False)

    @property
    def preset(self):
        """The name of the package's preset that wrote the file, or None."""
        model = (self.description or {}).get("model", {})
        return presets.with_hash(model.get("sha256") or self.model_id.hex())

    def facts(self):
        """What is in the file, a dict of texts."""
        container, description = self._container, self.description or {}
        chunks = container.chunks
        code = sum(len(lane) for chunk in chunks for lane in chunk.lanes)
        tiles, plain_tiles = (sum(v) for v in zip(*((c.tiles, len(c.plain)) for c in chunks)))
        guards = sum(len(chunk.guards) for chunk in chunks)
        number = description.get("pictures", tiles)
        place = "in this file" if self.embedded else "not in this file"
        place = f"preset {self.preset}" if self.preset else place
        facts = {
            "format": f"KFZ {VERSION}, {'with' if description else 'without'} description",
            "model": f"{self._model_name()}, {place}",
            "pictures": f"{number:,}, {'with' if self.names else 'without'} names",
            "tiles": f"{tiles:,}, {plain_tiles:,} of them stored without the model",
            "chunks": f"{len(chunks):,}, {sum(len(c.lanes) for c in chunks):,} lanes",
            "guards": f"{guards:,} values near a border of rounding",
            "size": f"{self.size:,} bytes: {code:,} of code, {len(container.embedded):,} of the "
            f"model, {len(container.alpha):,} of alpha",
        }
        if description:
            shapes = [plan.shape for plan in container.plans()]
            values = sum(map(math.prod, shapes))
            sizes = ", ".join(str(shape) for shape in list(dict.fromkeys(shapes))[:3])
            facts["shapes"] = sizes + ", ..." * (len(set(shapes)) > 3)
            facts["tile"] = str(tuple(description["tile"]))
            rate = 8 * (self.size - len(container.embedded)) / values
            facts["bits/dim"] = f"{rate:.4f}" + ", without the model" * self.embedded
            facts["written"] = ", ".join(f"{k} {v}" for k, v in description["written"].items())
        return facts

    def pictures(self, flow=None, batch_size=None):
        """Yields the pictures. Raises `Damaged` before the first one of a damaged chunk."""
        flow = self.flow() if flow is None else flow
        tile = self._check(flow)
        container = self._container
        alphas = _alphas(container.alpha)
        plans = iter(container.plans(tile))
        plan, parts, missing = next(plans), [], None
        for tiles in self._tiles(flow, tile, batch_size):
            while len(tiles):
                missing = plan.count if missing is None else missing
                parts.append(tiles[:missing])
                tiles, missing = tiles[missing:], missing - len(tiles[:missing])
                if missing:
                    break
                alpha = next(alphas)(plan) if plan.alpha else None
                yield plan.join(np.concatenate(parts), alpha)
                plan, parts, missing = next(plans, None), [], None

    def _tiles(self, flow, tile, batch_size):
        """Yields the tiles of groups of chunks."""
        chunks, seeds = self._container.chunks, self._container.seeds
        identity = model_hash(flow)
        first, total = 0, sum(chunk.tiles for chunk in chunks)
        size = batch_size_for(tile, total, batch_size)
        while first < len(chunks):
            end, tiles = first, 0
            while end < len(chunks) and (end == first or tiles < group_size(tile)):
                tiles, end = tiles + chunks[end].tiles, end + 1
            some = chunks[first:end], seeds[first:end]
            with codes_of(flow, identity) as codes, np.errstate(all="ignore"):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", RuntimeWarning)  # of values of damaged chunks
                    result, damaged = decode_chunks(codes, *some, size)
            if damaged.any():
                numbers = (np.flatnonzero(damaged) + first + 1).tolist()
                raise Damaged(
                    "Pictures do not come back: the file is damaged, or the weights of the model "
                    f"are not those that wrote it. Received: chunks {numbers[:9]} of {len(chunks)}."
                )
            yield result
            first = end

    def _check(self, flow):
        """The shape of the flow's data, if it is the flow that wrote this file."""
        tile, identity = tile_shape(flow), model_hash(flow)
        expected = (self.description or {}).get("model", {}).get("sha256", identity.hex())
        if identity[:4] != self.model_id or identity.hex() != expected:
            raise ValueError(
                f"This file was written by another model, {self._model_name()}. "
                f"Received: {flow.name}, {identity[:4].hex()}."
            )
        if self.description is not None and tuple(self.description["tile"]) != tile:
            raise Damaged(f"Tiles have another size. Received: {self.description['tile']}.")
        return tile

    def _model_name(self):
        name = (self.description or {}).get("model", {}).get("name", "a model")
        return f"{name}, {self.model_id.hex()}"


def _read(path):
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        raise ValueError(f"A file of compressed pictures ends in .kfz. Received: {path}.")
    return path.read_bytes()


def _alphas(data):
    """Yields, for each alpha channel, a function of its picture's `Plan` that unpacks it."""
    reader = Reader(data)
    while True:
        packed = reader.bytes(int.from_bytes(reader.bytes(4), "big"))
        yield lambda plan, packed=packed: plain.unpack(packed, (*plan.shape[:2], 1))
