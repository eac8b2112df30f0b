"""Damaged files: a named error or the right pictures, in bounded time and memory."""

import time
import tracemalloc
import zlib

import numpy as np
import pytest

from keras_flows import codec
from keras_flows.codec.container import MAGIC, VERSION
from keras_flows.codec.varints import Damaged, Reader, varint
from tests.integer_stub import StubFlow, draw, stub  # noqa: F401


def damages(files, count, seed=0):
    """Damaged copies of files: flipped bits, changed bytes, cut, spliced, repeated."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        data = bytearray(files[rng.integers(len(files))])
        kind, place = i % 6, int(rng.integers(len(data)))
        if kind == 0:
            data[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[place : place + 4] = rng.bytes(4)
        elif kind == 2:
            del data[place:]
        elif kind == 3:
            del data[place : place + int(rng.integers(1, 9))]
        elif kind == 4:  # spliced with another file
            other = files[rng.integers(len(files))]
            data[place:] = other[int(rng.integers(len(other))) :]
        else:
            data[place:place] = data[: int(rng.integers(1, 40))]
        if rng.random() < 0.2 and data[3:4] == files[-1][3:4]:  # with a checksum that fits
            data[-4:] = zlib.crc32(data[:-4]).to_bytes(4, "big")
        yield bytes(data)


@pytest.fixture
def files(stub):  # noqa: F811
    """Small and full files of different pictures, and what is in each."""
    sets = [draw(1), draw(3, 1), draw(9, 2), draw(64, 3)]
    sets.append(np.random.default_rng(0).integers(0, 256, (4, 4, 4, 1), "uint8"))
    result = {codec.compress(stub, x): x for x in sets}
    named = codec.compress(stub, sets[1], names=["a.png", "b.png", "c.png"])
    alpha = draw(2, 4, (5, 6, 2))
    return {**result, named: sets[1], codec.compress(stub, alpha): alpha}


def check(files, stub, count):  # noqa: F811
    """Reads damaged files. Returns how many of them were refused."""
    right = [x.tobytes() for x in files.values()]
    refused = 0
    for data in damages(list(files), count):
        try:
            results = codec.decompress(data, stub)
        except ValueError as error:
            assert "Received" in str(error)
            refused += 1
        else:
            assert np.asarray(results).tobytes() in right
    return refused


def test_damaged_files_are_refused(files, stub):  # noqa: F811
    start = time.process_time()
    assert check(files, stub, 300) > 270
    assert time.process_time() - start < 100
    tracemalloc.start()
    check(files, stub, 12)
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()


@pytest.mark.slow
def test_ten_thousand_damaged_files_are_refused(files, stub):  # noqa: F811
    assert check(files, stub, 10_000) > 9_000


def test_a_file_of_another_model_is_refused(stub):  # noqa: F811
    for n in (1, 40):
        data = codec.compress(stub, draw(n))
        with pytest.raises(ValueError, match="another model.* Received: stub"):
            codec.decompress(data, StubFlow(seed=1))
    with pytest.raises(ValueError, match="--model MODEL.keras. Received: a file of a"):
        codec.decompress(data)


def test_what_is_no_such_file_is_refused(stub, tmp_path):  # noqa: F811
    for data in (b"", b"PK", b"\x89PNG\r\n\x1a\n" * 9):
        with pytest.raises(ValueError, match="does not begin with KFZ"):
            codec.decompress(data, stub)
    data = codec.compress(stub, draw(1))
    with pytest.raises(ValueError, match="version 2; this keras_flows reads version 1"):
        codec.decompress(MAGIC + bytes([VERSION + 1]) + data[4:], stub)
    with pytest.raises(Damaged, match="cut short"):
        codec.decompress(data[:9], stub)
    with pytest.raises(FileNotFoundError, match="no file"):
        codec.decompress(tmp_path / "none.kfz", stub)
    with pytest.raises(ValueError, match="ends in .kfz"):
        codec.decompress(tmp_path, stub)


def test_chunks_are_bound_to_their_places(stub):  # noqa: F811
    archive = codec.Archive(codec.compress(stub, draw(5000)))
    container = archive._container
    assert len(container.chunks) == 5
    container.chunks[0], container.chunks[1] = container.chunks[1], container.chunks[0]
    with pytest.raises(Damaged, match=r"chunks \[1, 2\] of 5"):
        codec.decompress(container.to_bytes(), stub)


def test_nothing_is_written_where_compression_fails(stub, tmp_path):  # noqa: F811
    path = tmp_path / "pictures.kfz"
    size = codec.compress(stub, draw(3), path)
    before = path.read_bytes()
    assert size == len(before)

    def failing():
        yield draw(1)[0]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        codec.compress(stub, failing(), path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**31, 2**62])
def test_varints(value):
    reader = Reader(varint(value) + b"x")
    assert reader.varint() == value and reader.bytes(1) == b"x"
    with pytest.raises(Damaged, match="too soon"):
        reader.bytes(1)
    with pytest.raises(Damaged, match="no end|larger"):
        Reader(b"\xff" * 20).varint()
