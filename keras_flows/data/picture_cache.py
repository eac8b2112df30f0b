"""A cache of decoded pictures on disk.

Each entry is an npy of pixels and a json index with names, size and checksum. Only the newest
entry of each source is kept.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import time
import zlib

import numpy as np

from keras_flows.files import write_json

FORMAT = 2  # part of the file names
DAY = 24 * 60 * 60


def folder(cache):
    """The folder of the cache: `cache`, or the default in Keras' home if it is None."""
    home = os.environ.get("KERAS_HOME", "~/.keras")
    return pathlib.Path(cache or pathlib.Path(home).expanduser() / "keras_flows")


def index(cache, source, state):
    """The path of an entry's index.

    Args:
        cache: folder of the cache, or None.
        source: what the pictures are made from, such as a path and a size.
        state: what may change in the source, such as names and times of files.
    """
    source, state = (
        hashlib.sha256(json.dumps(x).encode()).hexdigest()[:32] for x in ([FORMAT, source], state)
    )
    return folder(cache) / f"{source}-{state}.json"


def read(index, size):
    """Pixels, names and skipped names by reason; None if the entry is missing or damaged."""
    try:
        entry = json.loads(index.read_text())
        path = index.with_suffix(".npy")
        pixels = np.lib.format.open_memmap(path, mode="r")
        expected = (len(entry["names"]), size, size, 3)
        if pixels.shape != expected or pixels.dtype != np.uint8:
            raise ValueError(f"pixels should be {expected}. Received: {pixels.shape}")
        if entry["written"] != _size_and_time(path):  # touched or copied
            if entry["checksum"] != _checksum(path):
                raise ValueError("the checksum of its pixels is wrong")
            with contextlib.suppress(OSError):
                write_json(index, {**entry, "written": _size_and_time(path)})
        return pixels, entry["names"], entry["skipped"]
    except OSError:  # missing, or not readable for this user
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"{index} is damaged, so the pictures are decoded again: {error!r}.")
        return None


def write(index, size, n, decode):
    """Calls `decode(file)`, which writes the pixels, and returns the entry as `read` does.

    Returns None if the cache cannot be written. The index is written last: an entry without one
    does not exist. Two runs at once write separate files, and the later one replaces equal
    contents. Entries of older states of the same source are removed.
    """
    partial = index.with_name(f"{index.stem}.{os.getpid()}.partial.npy")
    try:
        index.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(index.parent)
        try:
            with open(partial, "wb") as file:
                _write_header(file, n, size)
                names, skipped = decode(file)
                file.seek(0)
                _write_header(file, len(names), size)  # as long as before, because NumPy pads it
                file.flush()
                os.fsync(file.fileno())
            path = os.fspath(index.with_suffix(".npy"))
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        entry = {"names": names, "skipped": skipped}
        entry |= {"written": _size_and_time(path), "checksum": _checksum(path)}
        write_json(index, entry)
    except OSError as error:
        print(f"The pictures are not cached, {index.parent} cannot be written: {error}.")
        return None
    for old in index.parent.glob(f"{index.stem.split('-')[0]}-*"):
        if old.stem != index.stem and ".partial" not in old.name:
            _remove(old)
    return read(index, size)


def _write_header(file, n, size):
    header = {"descr": "|u1", "fortran_order": False, "shape": (n, size, size, 3)}
    np.lib.format.write_array_header_1_0(file, header)


def _size_and_time(path):
    info = os.stat(path)
    return [info.st_size, info.st_mtime_ns]


def _checksum(path):
    total = 0
    with open(path, "rb") as file:
        while block := file.read(2**20):
            total = zlib.crc32(block, total)
    return total


def _remove_leftovers(folder):
    """Removes entries of format 1, and files of killed runs after a day."""
    for path in folder.iterdir():
        if re.fullmatch(r"[0-9a-f]{32}\.(json|npy)", path.name):
            _remove(path)
        elif path.name.endswith(".partial.npy"):  # may be of a run that still goes on
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > DAY:
                    path.unlink()


def _remove(path):
    with contextlib.suppress(OSError):  # another run uses it or has removed it
        path.unlink()
