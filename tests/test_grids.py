"""Samples as pictures, grids of pictures, PNG files, and files written whole."""

import imageio.v3 as iio
import numpy as np
import pytest

from keras_flows import grids
from keras_flows.files import written_whole


def test_pictures_round_and_clip():
    x = np.array([[-1.0, 0.0, 0.5, 2.0], [np.nan, 1 / 255, 1.0, np.inf]])
    pictures = grids.to_pictures(x)
    assert pictures.shape == (2, 2, 2, 1) and pictures.dtype == np.uint8
    assert pictures.ravel().tolist() == [0, 0, 128, 255, 0, 1, 255, 255]


def test_grid_is_filled_row_by_row():
    x = np.arange(5, dtype="uint8").reshape(5, 1, 1, 1)
    assert grids.grid(x, 2, 3)[..., 0].tolist() == [[0, 1, 2], [3, 4, 0]]


def test_a_grid_that_is_too_large_is_refused_with_a_size_that_works(monkeypatch):
    with pytest.raises(ValueError, match="Take 357x357 or less.*Received: 3000x3000 pictures"):
        grids.check_size(3000, 3000, (28, 28, 1))
    monkeypatch.setattr(grids, "PIXELS", 100)
    x = np.zeros((1, 2, 2, 1), "uint8")
    assert grids.grid(x, 5, 5).shape == (10, 10, 1)
    with pytest.raises(ValueError, match="Take 5x5 or less.*Received: 2x13 pictures of 2x2"):
        grids.grid(x, 2, 13)


def test_vectors_that_are_no_square_need_a_shape():
    with pytest.raises(ValueError, match="Received"):
        grids.to_pictures(np.zeros((2, 6)))
    assert grids.to_pictures(np.zeros((2, 6)), (2, 1, 3)).shape == (2, 2, 1, 3)


def test_png_round_trip_and_refusal(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (4, 6, 3), "uint8")
    grids.write_png(tmp_path / "deep" / "p.png", picture)
    assert np.array_equal(iio.imread(tmp_path / "deep" / "p.png"), picture)
    with pytest.raises(ValueError, match="Received"):
        grids.write_png(tmp_path / "f.png", picture / 255)
    assert not (tmp_path / "f.png").exists()


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), written_whole(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
