"""CelebA's two text files, partition and attributes, in the authors' or in Kaggle's format."""

import pathlib
import zipfile

import numpy as np

from keras_flows.data import safe_reading

PARTITION = ("list_eval_partition.txt", "list_eval_partition.csv")
ATTRIBUTES = ("list_attr_celeba.txt", "list_attr_celeba.csv")
SUBFOLDERS = ("", "Eval", "Anno")  # of the authors' archive; the pictures are in Img
SIGNS = {"-1": -1, "1": 1}


def find_beside(path, names):
    """Path and text of the first file in `names`: in a folder or zip, or in the folders above it.

    Returns None if there is no such file.
    """
    path = pathlib.Path(path).resolve()
    if path.is_file() and zipfile.is_zipfile(path):
        with safe_reading.damage_named(path), zipfile.ZipFile(path) as file:
            for member in file.namelist():
                if pathlib.PurePosixPath(member).name in names:
                    raw = safe_reading.read_member(file, member, safe_reading.TEXT_BYTES)
                    return path / member, _text(raw)
    folders = [folder / inner for folder in (path, *path.parents[:2]) for inner in SUBFOLDERS]
    for place in (folder / name for folder in folders for name in names):
        if place.is_file():
            return place, _read_text(place)
    return None


def partition(path):
    """CelebA's official split: file name to 0 (training), 1 (validation) or 2 (test).

    Returns None if neither `list_eval_partition.txt` nor Kaggle's csv is in the folder or zip, or
    beside it. Raises ValueError that names the malformed line.

    >>> pictures.partition("celeba")["000001.jpg"]
    """
    file = find_beside(path, PARTITION)
    if file is None:
        return None
    place, text = file
    rows, parts = _rows(place, text), {}
    if place.suffix == ".csv":
        number, fields = next(rows)
        _expect(fields == ["image_id", "partition"], place, number, fields)
    for number, fields in rows:
        _expect(len(fields) == 2 and fields[1] in ("0", "1", "2"), place, number, fields)
        parts[fields[0]] = int(fields[1])
    return parts


def attributes(path):
    """CelebA's attributes: their names, and for each picture an int8 array of -1 and 1.

    Args:
        path: the file, or the folder or zip of pictures that contains it or lies beside it.

    Returns a list of names and a dict of arrays. Its keys are stems: both 000001.jpg and
    000001.webp are "000001".

    Raises FileNotFoundError if there is neither `list_attr_celeba.txt` nor Kaggle's csv, and
    ValueError that names the malformed line.

    >>> names, signs = pictures.attributes("celeba"); signs["000001"][names.index("Smiling")]
    """
    path = pathlib.Path(path)
    is_text = path.suffix in (".txt", ".csv")
    file = (path, _read_text(path)) if is_text else find_beside(path, ATTRIBUTES)
    if file is None:
        raise FileNotFoundError(f"There is no {' and no '.join(ATTRIBUTES)} in or beside {path}.")
    place, text = file
    rows, count = _rows(place, text), None
    if place.suffix == ".txt":
        number, fields = next(rows)
        _expect(len(fields) == 1 and fields[0].isdecimal(), place, number, fields)
        count = int(fields[0])
    number, names = next(rows)
    if place.suffix == ".csv":
        _expect(names[0] == "image_id" and len(names) > 1, place, number, names)
        names = names[1:]
    signs = {}
    for number, fields in rows:
        name, *values = fields
        _expect(len(values) == len(names) and SIGNS.keys() >= set(values), place, number, fields)
        signs[pathlib.PurePosixPath(name).stem] = np.array([SIGNS[v] for v in values], "int8")
    if count not in (None, len(signs)):
        raise ValueError(f"{place} is cut short. Received: {len(signs)} of {count} rows.")
    return names, signs


def _read_text(path):
    return _text(safe_reading.read_file(path, safe_reading.TEXT_BYTES))


def _text(raw):
    return raw.decode("utf-8-sig", errors="replace")


def _rows(place, text):
    """Numbers and fields of the lines that are not empty; there must be two or more."""
    lines = [(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
    if len(lines) < 2:
        raise ValueError(f"{place} is cut short. Received: {len(lines)} lines.")
    separator = "," if place.suffix == ".csv" else None
    return ((i, [field.strip() for field in line.split(separator)]) for i, line in lines)


def _expect(condition, place, number, fields):
    if not condition:
        raise ValueError(
            f"{place} is malformed in line {number}. Received: {' '.join(fields)[:80]!r}."
        )
