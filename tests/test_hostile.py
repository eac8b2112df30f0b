"""Damaged files of every kind give data of the right shape, or an error that names the file."""

import base64
import gzip
import warnings
import zlib

import numpy as np
import pytest

from keras_flows import datasets
from keras_flows.data import decoding, pandas_pickle
from tests.images import encoded, load, noise, plain, write
from tests.test_pandas_pickle import PANDAS_3

ROUNDS = 200


def corrupted(raw, rng):
    """`raw` with some bits flipped, its end cut off, or a part replaced by another part."""
    raw, kind, n = bytearray(raw), rng.integers(3), len(raw)
    if kind == 0:
        for place in rng.integers(n, size=rng.integers(1, 9)):
            raw[place] ^= 1 << rng.integers(8)
    elif kind == 1:
        del raw[rng.integers(n) :]
    else:
        a, b, length = rng.integers(n), rng.integers(n), rng.integers(1, 65)
        raw[a : a + rng.integers(65)] = raw[b : b + length]
    return bytes(raw)


def picture(path):
    assert decoding.square(path, 8).shape == (8, 8, 3)


def folder(path):
    result = load(path)
    assert result.pixels.shape == (len(result.names), 8, 8, 3)


def data_set(path):
    (x, _), (test, _) = datasets.mnist(path, labels=False)
    assert x.shape[1:] == test.shape[1:] == (28, 28) and x.dtype == np.uint8


def table(path):
    names, rows = pandas_pickle.read_frame(path)
    assert rows.ndim == 2 and rows.shape[1] == len(names)


@pytest.mark.parametrize(
    "name, read",
    [
        *(("a.png", picture), ("a.jpg", picture), ("a.zip", folder)),
        *(("a.npz", data_set), ("a.npy", data_set), ("a.idx.gz", data_set)),
        ("a.pickle", table),
    ],
)
def test_damage_is_named(tmp_path, name, read):
    x = np.random.default_rng(1).integers(0, 256, (11, 28, 28), "uint8")
    path = tmp_path / name
    if read is picture:
        path.write_bytes(encoded(noise((20, 16)), path.suffix))
    elif read is folder:
        write(path, {"a.png": noise((10, 9)), "b.jpg": encoded(plain(), ".jpg")}, as_zip=True)
    elif read is table:
        path.write_bytes(zlib.decompress(base64.b64decode(PANDAS_3)))
    elif name == "a.npz":
        np.savez_compressed(path, x_train=x, x_test=x[:2])
    elif name == "a.npy":
        np.save(path, x)
    else:
        path.write_bytes(gzip.compress(np.array([0x803, *x.shape], ">u4").tobytes() + x.tobytes()))
    read(path)
    original, rng, refused = path.read_bytes(), np.random.default_rng(0), 0
    for _ in range(ROUNDS):
        path.write_bytes(corrupted(original, rng))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read(path)
        except (ValueError, OSError) as error:
            assert str(path) in str(error)
            refused += 1
    assert ROUNDS // 5 < refused
