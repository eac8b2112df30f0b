"""`compress`: pictures to the bytes of a `.kfz` file."""

import functools
import os
import pathlib
import platform
import tempfile

import keras
import numpy as np

from keras_flows.codec.coder import Coder
from keras_flows.codec.container import MOST_SMALL, Container
from keras_flows.codec.precise import codes_of, model_hash
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
        names: list with the name of each picture, or None; it is read at the end.
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
    options = {"batch_size": batch_size, "verify": verify, "progress": progress}
    if out is not None:
        _check_folder(pathlib.Path(out).resolve().parent)
    coded = _coded(flow, pictures, chunk_each=False, **options)
    data = _container(flow, coded, names, embed).to_bytes()
    if out is None:
        return data
    with written_whole(out) as partial:
        return partial.write_bytes(data)


def _check_folder(folder):
    """Makes a folder; an error that it cannot be written to is better early than late."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"The folder cannot be written to. Received: {folder}.")


def compress_each(flow, pictures, *, batch_size=None, verify=True, progress=None):
    """As `compress`, but a file for each picture: a list of bytes.

    The networks see many pictures at once, so this is faster than `compress` for each of them.

    >>> files = codec.compress_each(flow, pictures)
    """
    options = {"batch_size": batch_size, "verify": verify, "progress": progress}
    coded = _coded(flow, pictures, chunk_each=True, **options)
    return [_container(flow, one).to_bytes() for one in coded.each()]


def _coded(flow, pictures, chunk_each, batch_size, verify, progress):
    """The `Coder` of all pictures, when it has coded them."""
    tile, identity = tile_shape(flow), model_hash(flow)
    open_codes = functools.partial(codes_of, flow, identity)
    coder = Coder(open_codes, tile, flow.levels, identity, chunk_each, batch_size, verify)
    for picture in pictures:
        if coder.add(picture) and progress:
            progress(coder.done)
    coder.finish()
    if progress:
        progress(coder.done)
    return coder


def tile_shape(flow):
    """The shape of the pictures that the flow codes, or a ValueError."""
    shape = tuple(getattr(flow, "data_shape", ()))
    if not getattr(flow, "exact", False) or len(shape) != 3 or flow.levels > 256:
        raise ValueError(
            "The codec takes a flow of integers of pictures (height, width, channels) of up to 256 "
            f"levels, such as IDF. Received: {getattr(flow, 'name', flow)}, of shape {shape}."
        )
    return shape


def _container(flow, coded, names=None, embed=False):
    """The file of coded pictures; a small one without description if that is enough."""
    shapes, chunks, identity = coded.shapes, coded.chunks, coded.identity
    names = _checked_names(names, len(shapes))
    alike = len(set(shapes)) == 1
    small = names is None and not embed and alike and shapes[0] == coded.tile
    if small and len(chunks) == 1 and len(chunks[0].lanes) == 1 and len(shapes) <= MOST_SMALL:
        return Container(identity, chunks)
    description = {
        "tile": coded.tile,
        "pictures": len(shapes),
        "shapes": shapes[:1] if alike else shapes,
        "names": names,
        "model": {"name": flow.name, "sha256": identity.hex()},
        "written": _versions(),
    }
    alpha = b"".join(len(a).to_bytes(4, "big") + a for a in coded.alphas if a is not None)
    return Container(identity, chunks, description, alpha, _file_of(flow) if embed else b"")


def _checked_names(names, count):
    """A name for each picture, or None if none has one."""
    names = [] if names is None else list(names)
    if not any(name is not None for name in names):
        return None
    if len(names) != count:
        raise ValueError(
            f"There is a name for each picture. Received: {len(names)} names, {count} pictures."
        )
    return [f"{i:06d}.png" if name is None else str(name) for i, name in enumerate(names)]


def _versions():
    """What writes this file."""
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
