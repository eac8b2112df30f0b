"""The picture files of a folder or a zip: their names, sizes and bytes."""

import contextlib
import os
import pathlib
import threading
import zipfile

from keras_flows.data import safe_reading

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".ppm", ".tif", ".tiff")
FILE_BYTES = 2**28  # of encoded pictures that all threads together hold at once


@contextlib.contextmanager
def open_source(path):
    """Opens a folder or zip: yields its files and a function that reads one by its name.

    The files are a dict, name to a tuple of its size and of whatever changes with its contents.
    """
    if path.is_dir():
        yield _files_of_folder(path), lambda name: read_picture(path / name)
        return
    if not path.exists():
        raise FileNotFoundError(f"No pictures at {path}: give a folder or a zip of them.")
    safe_reading.check_regular(path)
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is damaged or neither a folder nor a zip of pictures.")
    try:
        file, lock = zipfile.ZipFile(path), threading.Lock()
    except safe_reading.DAMAGE as error:
        raise ValueError(f"{path} is a damaged zip: {error}") from error

    def read(name):
        with lock:
            return safe_reading.read_member(file, name, FILE_BYTES)

    with file:
        modified = path.stat().st_mtime_ns
        yield {i.filename: (i.file_size, i.CRC, modified) for i in file.infolist()}, read


def read_picture(path):
    """The bytes of one file."""
    return safe_reading.read_file(path, FILE_BYTES)


def is_picture(name):
    """Whether a name has the extension of a picture and is not hidden."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
    return name.lower().endswith(EXTENSIONS) and not hidden


def _files_of_folder(path):
    files = {}
    for folder, _, names in os.walk(path):
        relative = pathlib.Path(folder).relative_to(path)
        for name in filter(is_picture, names):
            state = (0, 0)  # for a broken link
            with contextlib.suppress(OSError):
                info = os.stat(os.path.join(folder, name))
                state = info.st_size, info.st_mtime_ns
            files[(relative / name).as_posix()] = state
    return files
