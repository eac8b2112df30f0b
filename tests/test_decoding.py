"""Decoding: which files are pictures, what becomes of each, which are skipped."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from tests.images import BLUE, GREEN, RED, encoded, load, noise, plain, write


@pytest.mark.parametrize("as_zip", [False, True])
def test_a_tree_is_read_in_the_order_of_names(tmp_path, as_zip):
    files = {"b.PNG": plain(GREEN), "x/y/c.jpeg": encoded(plain(BLUE), ".jpg"), "a.png": plain(RED)}
    no_pictures = ["list.txt", ".hidden.png", ".git/a.png", "__MACOSX/a.png", "../up.png"]
    files |= {name: b"no picture" for name in no_pictures}
    got = load(write(tmp_path / "in" / "set" if not as_zip else tmp_path / "z.zip", files, as_zip))
    assert got.names == ["a.png", "b.PNG", "x/y/c.jpeg"] and got.skipped == {}
    assert got.pixels.shape == (3, 8, 8, 3) and got.pixels.dtype == np.uint8
    np.testing.assert_allclose(got.pixels[:, 3, 3], [RED, GREEN, BLUE], atol=3)


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
    wanted = [(77,) * 3, (77,) * 3, *[GREEN] * 5, (77,) * 3]
    np.testing.assert_allclose(colors.astype(int), wanted, atol=3)


@pytest.mark.parametrize("size", [(30, 8), (8, 30)])
def test_the_centre_square_is_kept(tmp_path, size):
    image = plain(RED, size)
    middle = (11, 0, 19, 8) if size[0] > size[1] else (0, 11, 8, 19)
    image.paste(BLUE, middle)
    got = load(write(tmp_path / "set", {"a.png": image})).pixels[0]
    assert (got == BLUE).all()


def test_sizes_are_reduced_by_lanczos(tmp_path):
    image = noise((40, 30))
    square = image.crop((5, 0, 35, 30)).resize((8, 8), Image.Resampling.LANCZOS)
    got = load(write(tmp_path / "set", {"a.png": image})).pixels[0]
    np.testing.assert_array_equal(got, np.asarray(square))


def test_large_jpegs_lose_nothing_by_the_shortcut(tmp_path):
    x, y = np.meshgrid(np.arange(101), np.arange(75))
    ramp = np.stack([2 * x, 3 * y, x + y], -1).astype("uint8")
    data = encoded(Image.fromarray(ramp), ".jpg", quality=95)
    square = Image.open(io.BytesIO(data)).crop((13, 0, 88, 75))
    wanted = np.asarray(square.resize((16, 16), Image.Resampling.LANCZOS)).astype(int)
    got = load(write(tmp_path / "set", {"a.jpg": data}), 16).pixels[0]
    assert np.abs(got - wanted).mean() < 3


def test_damaged_and_small_ones_are_counted(tmp_path, monkeypatch, capsys):
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
    got = load(tmp_path / "set", verbose=1)
    assert got.names == ["good.png", "zz.png"] and isinstance(got.pixels, np.memmap)
    assert got.skipped == {"damaged": 6, "smaller than 8": 1}
    assert got.pixels[:, 0, 0].tolist() == [list(GREEN), list(BLUE)]
    assert "2 pictures; skipped: 6 damaged, 1 smaller than 8." in capsys.readouterr().out
    again = load(tmp_path / "set")
    assert (again.names, again.skipped) == (got.names, got.skipped)


def test_a_damaged_member_of_a_zip_is_counted(tmp_path):
    path = write(tmp_path / "z.zip", {"a.png": noise(), "b.png": plain(GREEN)}, as_zip=True)
    raw = bytearray(path.read_bytes())
    raw[200:220] = bytes(20)
    path.write_bytes(raw)
    got = load(path)
    assert got.names == ["b.png"] and got.skipped == {"damaged": 1}
