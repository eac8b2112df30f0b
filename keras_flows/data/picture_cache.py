"""Decoded pictures on disk: an npy of pixels and a json of names, checked, the newest kept."""

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

FORMAT = 2  # part of the names
DAY = 24 * 60 * 60


def folder(cache):
    home = os.environ.get("KERAS_HOME", "~/.keras")
    return pathlib.Path(cache or pathlib.Path(home).expanduser() / "keras_flows")


def index(cache, source, state):
    """The json of pictures: `source` is what they are made from, `state` what may change in it."""
    told = [hashlib.sha256(json.dumps(x).encode()).hexdigest() for x in ([FORMAT, source], state)]
    return folder(cache) / f"{told[0][:32]}-{told[1][:32]}.json"


def read(index, size):
    """Pixels, names and what was skipped; None where they are not there or damaged."""
    try:
        told = json.loads(index.read_text())
        path = index.with_suffix(".npy")
        pixels = np.lib.format.open_memmap(path, mode="r")
        wanted = (len(told["names"]), size, size, 3)
        if pixels.shape != wanted or pixels.dtype != np.uint8:
            raise ValueError(f"pixels should be {wanted}. Received: {pixels.shape}")
        if told["written"] != _written(path):  # touched since, or copied here
            if told["checksum"] != _checksum(path):
                raise ValueError("the checksum of its pixels is wrong")
            with contextlib.suppress(OSError):
                write_json(index, {**told, "written": _written(path)})
        return pixels, told["names"], told["skipped"]
    except OSError:  # not there, or not ours to read
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"{index} is damaged, so the pictures are decoded again: {error!r}.")
        return None


def write(index, size, n, decode):
    """As `read`, once `decode(file)` has written the pixels; None where there can be no cache.

    The index comes last: without it there is nothing. Two runs at once write
    files of their own, and the later one replaces the same by the same. Older
    states of the same source go.
    """
    partial = index.with_name(f"{index.stem}.{os.getpid()}.partial.npy")
    try:
        index.parent.mkdir(parents=True, exist_ok=True)
        _sweep(index.parent)
        try:
            with open(partial, "wb") as file:
                _write_header(file, n, size)
                names, skipped = decode(file)
                file.seek(0)
                _write_header(file, len(names), size)  # as long as the first, padded by NumPy
                file.flush()
                os.fsync(file.fileno())
            path = os.fspath(index.with_suffix(".npy"))
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        told = {"names": names, "skipped": skipped}
        write_json(index, {**told, "written": _written(path), "checksum": _checksum(path)})
    except OSError as error:
        print(f"The pictures are not cached, {index.parent} cannot be written: {error}.")
        return None
    for old in index.parent.glob(f"{index.stem.split('-')[0]}-*"):
        if old.stem != index.stem and ".partial" not in old.name:
            _remove(old)
    return read(index, size)


def _write_header(file, n, size):
    told = {"descr": "|u1", "fortran_order": False, "shape": (n, size, size, 3)}
    np.lib.format.write_array_header_1_0(file, told)


def _written(path):
    told = os.stat(path)
    return [told.st_size, told.st_mtime_ns]


def _checksum(path):
    total = 0
    with open(path, "rb") as file:
        while block := file.read(2**20):
            total = zlib.crc32(block, total)
    return total


def _sweep(folder):
    """Removes what format 1 left, and, a day later, what killed runs left."""
    for path in folder.iterdir():
        if re.fullmatch(r"[0-9a-f]{32}\.(json|npy)", path.name):
            _remove(path)
        elif path.name.endswith(".partial.npy"):  # until then it may be another run's
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > DAY:
                    path.unlink()


def _remove(path):
    with contextlib.suppress(OSError):  # another run has it open, or has removed it
        path.unlink()
