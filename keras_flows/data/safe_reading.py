"""Reading files that may be damaged or hostile.

Only regular files are read, headers first, and never more bytes than a limit.
"""

import contextlib
import lzma
import math
import os
import stat
import struct
import tokenize
import zipfile
import zlib

import numpy as np

ARRAY_BYTES = 2**31  # largest array of a data set
TEXT_BYTES = 2**26  # largest text file; the largest of CelebA has 27 MB
# What zipfile, gzip and NumPy raise for damaged files. NotImplementedError is a RuntimeError.
DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, tokenize.TokenError),
    *(OSError, EOFError, RuntimeError, ValueError, SyntaxError, OverflowError, TypeError),
)
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class Refused(ValueError):
    """A file that must not be read; the message names it."""


@contextlib.contextmanager
def damage_named(place):
    """Turns the errors of libraries for damaged files into a ValueError that names `place`."""
    try:
        yield
    except (Refused, FileNotFoundError):
        raise
    except DAMAGE as error:
        raise Refused(f"{place} is damaged: {error or type(error).__name__}") from error


def check_regular(path):
    """Raises Refused for a pipe, device, socket or folder, and for links to them."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise Refused(f"{path} is a folder, a pipe or a device; a regular file is needed.")


def check_size(place, size, limit):
    if size > limit:
        raise Refused(
            f"{place} is too large: no more than {limit:,} bytes are read. Received: {size:,}."
        )


def read_file(path, limit):
    """The bytes of a regular file, which may have no more than `limit` bytes.

    >>> text = read_file("list_attr_celeba.txt", TEXT_BYTES).decode()
    """
    check_regular(path)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        check_size(path, size, limit)
        data = file.read(size + 1)
    check_size(path, len(data), limit)  # the file may have grown
    return data


def read_member(file, name, limit):
    """The bytes of a member of an open `ZipFile`, no more than `limit` when unpacked."""
    check_size(f"{file.filename}, {name}", file.getinfo(name).file_size, limit)
    return file.read(name)  # reads no more than the size in the zip's index


def read_npy(path):
    """The array of an npy file."""
    check_regular(path)
    with damage_named(path), open(path, "rb") as file:
        return _array(file, path, os.fstat(file.fileno()).st_size)


def read_npz(path, choose):
    """Some arrays of an npz by their keys; `choose(keys)` returns the keys to read."""
    check_regular(path)
    with damage_named(path), zipfile.ZipFile(path) as file:
        members = {name.removesuffix(".npy"): name for name in file.namelist()}
        arrays = {}
        for key in choose(list(members)):
            with damage_named(f"{path}, {key}"), file.open(members[key]) as member:
                size = file.getinfo(members[key]).file_size
                arrays[key] = _array(member, f"{path}, {key}", size)
    return arrays


def _array(file, place, size):
    """The array of an npy of `size` bytes; its header is checked before its data is read."""
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"it is of npy version {version}")
    shape, _, dtype = HEADERS[version](file)
    if dtype.hasobject:
        raise Refused(
            f"{place} is an array of Python objects. They are not read, because that can run code."
            f" Save it as numbers: np.savez(path, x=np.array(x, 'uint8')). "
            f"Received: dtype={dtype}, shape={shape}."
        )
    expected = math.prod(shape) * dtype.itemsize
    check_size(place, expected, ARRAY_BYTES)
    received = size - file.tell()
    if received != expected or min(shape, default=0) < 0:
        raise ValueError(f"its header says {expected} bytes of data. Received: {received} bytes")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)
