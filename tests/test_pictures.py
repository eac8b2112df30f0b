"""Pictures of folders and zips: errors, and the cache."""

import os
import signal

import numpy as np
import pytest

from keras_flows.data import decoding, picture_cache
from tests.images import BLUE, GREEN, RED, load, plain, write


@pytest.fixture
def source(tmp_path):
    """Three pictures in a folder."""
    return write(tmp_path / "set", {"a.png": plain(RED), "b.png": plain(GREEN), "c.png": plain()})


@pytest.fixture
def decoded(monkeypatch):
    """How many pictures were decoded so far, as the length of a list."""
    calls, decode = [], decoding._decode_square
    monkeypatch.setattr(decoding, "_decode_square", lambda *args: calls.append(0) or decode(*args))
    return calls


def test_limit_takes_the_first_names(source):
    (source / "a.png").write_bytes(b"no picture")
    result = load(source, limit=2)
    assert result.names == ["b.png"] and result.skipped == {"damaged": 1}


def test_errors_say_what_would_work(tmp_path, source):
    with pytest.raises(FileNotFoundError, match="nowhere: give a folder or a zip"):
        load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="a.png is damaged or neither a folder nor a zip"):
        load(source / "a.png")
    whole = write(tmp_path / "z.zip", {"a.png": plain()}, as_zip=True).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cut.zip is damaged"):
        load(tmp_path / "cut.zip")
    (tmp_path / "bad.zip").write_bytes(whole.replace(b"PK\x01\x02", b"PK\x09\x09"))
    with pytest.raises(ValueError, match="bad.zip is a damaged zip"):
        load(tmp_path / "bad.zip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no pictures in .*empty.*[.]webp"):
        load(tmp_path / "empty")
    with pytest.raises(ValueError, match="None of .*set.*3.*Received: size=9"):
        load(source, 9)
    for bad in ({"size": 0}, {"limit": 0}):
        with pytest.raises(ValueError, match="1 or more, .*Received"):
            load(source, **bad)


def test_decoded_pictures_are_read_from_the_cache(source, decoded):
    first = load(source)
    assert len(decoded) == 3
    again = load(source)
    assert len(decoded) == 3
    assert isinstance(again.pixels, np.memmap) and not again.pixels.flags.writeable
    assert again.names == first.names and np.array_equal(again.pixels, first.pixels)


@pytest.mark.parametrize("as_zip", [False, True])
def test_changed_pictures_are_decoded_again(tmp_path, decoded, as_zip):
    place = tmp_path / "z.zip" if as_zip else tmp_path / "set"
    load(write(place, {"a.png": plain(RED), "b.png": plain(RED)}, as_zip))
    load(write(place, {"a.png": plain(RED), "b.png": plain(BLUE)}, as_zip))
    assert len(decoded) == 4
    assert load(place).pixels[1, 0, 0].tolist() == list(BLUE)
    load(place, 4)
    load(place, limit=1)
    load(place)
    assert len(decoded) == 7


def test_the_cache_is_in_the_home_of_keras_by_default(source, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    load(source, cache=None)
    assert len(list((tmp_path / "home" / "keras_flows").glob("*.npy"))) == 1


@pytest.mark.parametrize("damage", ["cut", "empty", "index", "list", "other", "flip"])
def test_a_damaged_cache_is_decoded_again(source, tmp_path, decoded, capsys, damage):
    expected = np.array(load(source).pixels)
    (pixels,), (index,) = ((tmp_path / "cache").glob(f"*.{end}") for end in ("npy", "json"))
    if damage == "index":
        index.write_text('{"names"')
    elif damage == "list":
        index.write_text("[]")
    elif damage == "flip":
        raw = bytearray(pixels.read_bytes())
        raw[-5] ^= 1
        pixels.write_bytes(raw)
    elif damage == "other":
        np.save(pixels, expected[:2])
    else:
        pixels.write_bytes(pixels.read_bytes()[: -1 if damage == "cut" else 0])
    assert np.array_equal(load(source).pixels, expected) and len(decoded) == 6
    assert "is damaged, so the pictures are decoded again" in capsys.readouterr().out
    load(source)
    assert len(decoded) == 6


def test_a_cache_that_was_copied_is_read(source, tmp_path, decoded, monkeypatch):
    expected, sums = np.array(load(source).pixels), []
    (pixels,) = (tmp_path / "cache").glob("*.npy")
    os.utime(pixels, (0, 0))
    checksum = picture_cache._checksum
    monkeypatch.setattr(picture_cache, "_checksum", lambda path: sums.append(0) or checksum(path))
    for _ in range(2):
        assert np.array_equal(load(source).pixels, expected)
    assert len(decoded) == 3 and len(sums) == 1  # computed once, then known


def test_only_the_newest_entry_of_a_source_is_kept(source, tmp_path):
    cache = tmp_path / "cache"
    load(source, 4)
    old = [load(source).pixels, *cache.iterdir()]
    write(source, {"d.png": plain(BLUE)})
    assert len(load(source).names) == 4
    assert len(list(cache.glob("*.npy"))) == len(list(cache.glob("*.json"))) == 2
    assert old[0].shape == (3, 8, 8, 3) and (old[0][0, 0, 0] == RED).all()  # still mapped
    files = cache / ("0" * 32 + ".npy"), cache / ("0" * 32 + ".json"), cache / "other.npy"
    for path in files:
        path.write_text("of format 1")
    load(source, 5)
    assert [path.exists() for path in files] == [False, False, True]


def test_pictures_load_without_a_cache(source, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    result = load(source, cache=tmp_path / "file")
    assert result.pixels[:2, 0, 0].tolist() == [list(RED), list(GREEN)] and len(result.names) == 3
    output = capsys.readouterr().out
    assert "cannot be written" in output and output.count("\n") == 1


def test_a_killed_run_leaves_no_complete_entry(source, tmp_path, monkeypatch):
    decode, calls = decoding._decode_square, []

    def killing(*args):
        calls.append(0)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return decode(*args)

    if not (child := os.fork()):
        try:
            monkeypatch.setattr(decoding, "_decode_square", killing)
            load(source, workers=1)
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    (partial,) = (tmp_path / "cache").iterdir()
    assert partial.name.endswith(".partial.npy")
    assert len(load(source).names) == 3 and partial.exists()
    os.utime(partial, (0, 0))
    load(source, 4)
    assert not partial.exists()


def test_an_interrupted_run_leaves_no_files(source, tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(decoding, "_decode_square", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load(source)
    assert not list((tmp_path / "cache").iterdir())
