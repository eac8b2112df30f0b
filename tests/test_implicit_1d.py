"""The recipe of the function that no three residual blocks fit."""

import json

import numpy as np
import pytest

from keras_flows.files import LOCK
from keras_flows.recipes import implicit_1d

RUN = "--hidden 8 --steps 30 --residual 1 3".split()


def test_a_run_reports_errors_that_the_bounds_allow(tmp_path):
    pytest.importorskip("matplotlib")
    implicit_1d.main([*RUN, "--out", str(tmp_path)])
    names = {path.name for path in tmp_path.iterdir()} - {LOCK}
    assert names == {"implicit_1d.png", "metrics.json"}
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    rows = {row["blocks"]: row for row in metrics["models"]}
    assert list(rows) == ["1 implicit", "1 residual", "3 residual"]
    for blocks in (1, 3):
        row = rows[f"{blocks} residual"]
        assert row["largest_error"] > row["least_possible_error"] >= 1
        assert row["largest_slope"] < 2**blocks + 0.01  # of differences that are rounded
        assert row["certified_bounds"]["largest"] < 1
    assert rows["1 implicit"]["largest_error"] < rows["1 residual"]["largest_error"]


def test_the_function_and_the_least_error_of_residual_blocks():
    np.testing.assert_allclose(implicit_1d.target(np.array([-1, 0, 0.5])), [-0.1, 0, 5])
    args = implicit_1d.main.options(["--lipschitz", "0.999"])
    assert implicit_1d.least_error(args, 3) == pytest.approx((10 - 1.999**3) / 2)
    assert implicit_1d.least_error(args, 4) == 0


def test_a_dry_run_writes_nothing(tmp_path):
    out = tmp_path / "none"
    implicit_1d.main([*RUN, "--residual", "1", "--dry-run", "--out", str(out)])
    assert not out.exists()
