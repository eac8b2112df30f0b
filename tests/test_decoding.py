"""Decoding: which files are pictures, how each is decoded, and which are skipped."""

import io
import os
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from keras_flows.data import decoding, picture_files
from tests.images import BLUE, GREEN, RED, encoded, in_time, load, noise, plain, write


@pytest.mark.parametrize("as_zip", [False, True])
def test_a_tree_is_read_in_the_order_of_names(tmp_path, as_zip):
    files = {"b.PNG": plain(GREEN), "x/y/c.jpeg": encoded(plain(BLUE), ".jpg"), "a.png": plain(RED)}
    other_files = ["list.txt", ".hidden.png", ".git/a.png", "__MACOSX/a.png", "../up.png"]
    files |= {name: b"no picture" for name in other_files}
    result = load(
        write(tmp_path / "in" / "set" if not as_zip else tmp_path / "z.zip", files, as_zip)
    )
    assert result.names == ["a.png", "b.PNG", "x/y/c.jpeg"] and result.skipped == {}
    assert result.pixels.shape == (3, 8, 8, 3) and result.pixels.dtype == np.uint8
    np.testing.assert_allclose(result.pixels[:, 3, 3], [RED, GREEN, BLUE], atol=3)


def test_every_mode_becomes_rgb(tmp_path):
    grey = Image.new("L", (8, 8), 77)
    deep = Image.fromarray(np.full((8, 8), 77 * 256, "uint16"))
    see_through = plain(GREEN).convert("RGBA")
    see_through.putalpha(128)
    files = {
        "1.png": grey,
        "2.png": deep,
        "3.png": plain(GREEN, mode="P"),
        "4.png": see_through,
        "5.jpg": encoded(plain(GREEN, mode="CMYK"), ".jpg"),
        "6.webp": encoded(plain(GREEN), ".webp", lossless=True),
        "7.gif": encoded(plain(GREEN), ".gif"),
        "8.png": grey.convert("LA"),
    }
    colors = load(write(tmp_path / "set", files)).pixels[:, 4, 4]
    expected = [(77,) * 3, (77,) * 3, *[GREEN] * 5, (77,) * 3]
    np.testing.assert_allclose(colors.astype(int), expected, atol=3)


@pytest.mark.parametrize("size", [(30, 8), (8, 30)])
def test_the_centre_square_is_kept(tmp_path, size):
    image = plain(RED, size)
    middle = (11, 0, 19, 8) if size[0] > size[1] else (0, 11, 8, 19)
    image.paste(BLUE, middle)
    result = load(write(tmp_path / "set", {"a.png": image})).pixels[0]
    assert (result == BLUE).all()


def test_sizes_are_reduced_by_lanczos(tmp_path):
    image = noise((40, 30))
    square = image.crop((5, 0, 35, 30)).resize((8, 8), Image.Resampling.LANCZOS)
    result = load(write(tmp_path / "set", {"a.png": image})).pixels[0]
    np.testing.assert_array_equal(result, np.asarray(square))


def test_large_jpegs_that_are_decoded_smaller_lose_nothing(tmp_path):
    x, y = np.meshgrid(np.arange(101), np.arange(75))
    ramp = np.stack([2 * x, 3 * y, x + y], -1).astype("uint8")
    data = encoded(Image.fromarray(ramp), ".jpg", quality=95)
    square = Image.open(io.BytesIO(data)).crop((13, 0, 88, 75))
    expected = np.asarray(square.resize((16, 16), Image.Resampling.LANCZOS)).astype(int)
    result = load(write(tmp_path / "set", {"a.jpg": data}), 16).pixels[0]
    assert np.abs(result - expected).mean() < 3


def test_damaged_and_small_pictures_are_counted(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    jpg, png = encoded(noise(), ".jpg"), encoded(noise())
    files = {
        "bomb.png": plain(size=(200, 100)),
        "cut.jpg": jpg[: len(jpg) // 2],
        "cut.png": png[: len(png) // 2],
        "empty.png": b"",
        "good.png": plain(GREEN),
        "narrow.png": plain(size=(7, 30)),
        "text.jpg": b"no picture",
        "zz.png": plain(BLUE),
    }
    os.symlink("nowhere.png", write(tmp_path / "set", files) / "link.png")
    result = load(tmp_path / "set", verbose=1)
    assert result.names == ["good.png", "zz.png"] and isinstance(result.pixels, np.memmap)
    assert result.skipped == {"damaged": 6, "smaller than 8": 1}
    assert result.pixels[:, 0, 0].tolist() == [list(GREEN), list(BLUE)]
    damaged = "6 damaged (bomb.png, cut.jpg, cut.png and 3 more)"
    message = f"2 pictures; skipped: {damaged}, 1 smaller than 8 (narrow.png); use enlarge=True"
    assert message in capsys.readouterr().out
    assert result.skipped_names["damaged"][3:] == ["empty.png", "link.png", "text.jpg"]
    again = load(tmp_path / "set")
    assert (again.names, again.skipped, again.skipped_names) == (
        *(result.names, result.skipped),
        result.skipped_names,
    )


def test_formats_without_a_known_ending_are_not_read(tmp_path):
    """Pillow detects formats by content, and calls other programs for some, such as PostScript."""
    path = write(tmp_path / "set", {"a.png": encoded(plain(), ".jpg"), "b.png": plain()})
    plain(size=(16, 16)).save(path / "b.png", "ICO")
    plain().save(path / "c.png", "EPS")
    assert load(path).names == ["a.png"]


def test_a_damaged_member_of_a_zip_is_counted(tmp_path):
    path = write(tmp_path / "z.zip", {"a.png": noise(), "b.png": plain(GREEN)}, as_zip=True)
    raw = bytearray(path.read_bytes())
    raw[200:220] = bytes(20)
    path.write_bytes(raw)
    result = load(path)
    assert result.names == ["b.png"] and result.skipped == {"damaged": 1}


def test_small_pictures_are_enlarged_on_request(tmp_path):
    path = write(tmp_path / "set", {"a.png": plain(GREEN), "b.png": noise((4, 6))})
    assert load(path).names == ["a.png"]
    result = load(path, enlarge=True)
    expected = noise((4, 6)).crop((0, 1, 4, 5)).resize((8, 8), Image.Resampling.LANCZOS)
    assert result.names == ["a.png", "b.png"] and result.skipped == {}
    np.testing.assert_array_equal(result.pixels[1], np.asarray(expected))


def test_pipes_and_devices_are_not_read(tmp_path):
    path = write(tmp_path / "set", {"a.png": plain(GREEN)})
    os.mkfifo(path / "pipe.png")
    os.symlink("/dev/zero", path / "zero.png")
    os.symlink("a.png", path / "link.png")
    result = in_time(load, path)
    assert result.names == ["a.png", "link.png"]
    assert result.skipped_names == {"damaged": ["pipe.png", "zero.png"]}
    for name in ("pipe.png", "zero.png"):
        with pytest.raises(ValueError, match=f"{name} is a .*pipe or a device; a regular file"):
            in_time(load, path / name)
        with pytest.raises(ValueError, match=f"{name} is a .*pipe"):
            in_time(decoding.square, path / name, 8)


@pytest.mark.parametrize("as_zip", [False, True])
def test_files_that_are_too_large_are_not_read(tmp_path, monkeypatch, as_zip):
    files = {"a.png": plain(GREEN), "bomb.png": encoded(plain()) + bytes(10**6)}
    path = write(tmp_path / "in", files, as_zip)
    assert path.is_dir() or path.stat().st_size < 10**4
    monkeypatch.setattr(picture_files, "FILE_BYTES", 10**5)
    result = load(path)
    assert result.names == ["a.png"] and result.skipped_names == {"too large": ["bomb.png"]}


def test_pictures_with_too_many_pixels_are_not_decoded(tmp_path, monkeypatch):
    path = write(tmp_path / "set", {"a.png": plain(GREEN), "large.png": plain(size=(101, 100))})
    monkeypatch.setattr(decoding, "PIXELS", 10_000)
    result = load(path)
    assert result.names == ["a.png"] and result.skipped == {"too large": 1}
    with pytest.raises(ValueError, match="large.png is too large to decode.*10,000 pixels"):
        decoding.square(path / "large.png", 8)
    with pytest.raises(ValueError, match="size of no more than 10,000 pixels. Received: size=101"):
        load(path, 101)


def test_large_pictures_are_decoded_one_at_a_time(tmp_path, monkeypatch):
    files = {f"{i}.png": plain(size=(20, 20)) for i in range(8)}
    path, active, counts, resize = write(tmp_path / "set", files), [], [], Image.Image.resize

    def counting(*args, **options):
        active.append(0)
        threading.Event().wait(0.02)
        counts.append(len(active))
        active.pop()
        return resize(*args, **options)

    monkeypatch.setattr(Image.Image, "resize", counting)
    assert len(load(path, workers=8, cache=tmp_path / "free").names) == 8 and max(counts) > 2
    monkeypatch.setattr(decoding, "LARGE", 399)
    counts.clear()
    assert len(load(path, workers=8).names) == 8 and max(counts) == 1


def test_threads_share_the_memory(tmp_path, monkeypatch):
    """Eight threads read no more encoded pictures at once than fit into memory."""
    files = {f"{i}.png": noise((20, 20), i) for i in range(8)}
    path, active, counts, decode = write(tmp_path / "set", files), [], [], decoding._decode_square
    size = max((path / name).stat().st_size for name in files)

    def counting(*args):
        active.append(0)
        threading.Event().wait(0.02)
        counts.append(len(active))
        active.pop()
        return decode(*args)

    monkeypatch.setattr(decoding, "_decode_square", counting)
    monkeypatch.setattr(picture_files, "FILE_BYTES", 2 * size)
    assert len(load(path, workers=8).names) == 8 and max(counts) == 2


def test_a_picture_is_cropped_before_it_is_converted(tmp_path, monkeypatch):
    path, sizes = write(tmp_path / "set", {"a.png": plain(size=(90, 8), mode="P")}), []
    convert = Image.Image.convert
    monkeypatch.setattr(
        Image.Image,
        "convert",
        lambda image, *args: sizes.append(image.size) or convert(image, *args),
    )
    load(path)
    assert sizes == [(8, 8)]


def test_pictures_are_turned_as_the_camera_recorded(tmp_path):
    """The picture is turned before it is cropped: the odd column is cut on the visible side."""
    image, exif = noise((13, 8)), Image.Exif()
    exif[0x0112] = 3
    expected = image.rotate(180).crop((2, 0, 10, 8))
    result = load(write(tmp_path / "set", {"a.png": encoded(image, exif=exif)})).pixels[0]
    np.testing.assert_array_equal(result, np.asarray(expected))


def test_progress_is_shown_on_terminals_and_after_some_seconds(tmp_path, monkeypatch, capsys):
    path = write(tmp_path / "set", {f"{i}.png": plain() for i in range(3)})
    load(path, cache=tmp_path / "1", verbose=1)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(decoding, "QUIET_SECONDS", 0)
    load(path, cache=tmp_path / "2", verbose=1)
    assert "3/3" in capsys.readouterr().out
    monkeypatch.setattr(decoding, "QUIET_SECONDS", 100)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    load(path, cache=tmp_path / "3", verbose=1)
    assert "3/3" in capsys.readouterr().out
    load(path, cache=tmp_path / "4", verbose=0)
    assert capsys.readouterr().out == ""
