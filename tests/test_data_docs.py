"""docs/data.md: its blocks run, each by itself, and the variational one learns."""

import re
from pathlib import Path

import numpy as np
import pytest

TEXT = (Path(__file__).parents[1] / "docs" / "data.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.S)


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_blocks_run(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(block, {"__name__": "docs"})


@pytest.mark.slow
def test_the_variational_flow_finds_the_banana():
    names = {"__name__": "docs"}
    block = next(block for block in BLOCKS if "ReverseKL" in block)
    exec(block.replace("np.zeros((50, 1))", "np.zeros((2000, 1))"), names)
    x = names["flow"].sample(4000, seed=0)
    assert abs(x[:, 0].std() - 1) < 0.15
    np.testing.assert_allclose(x[:, 1].mean(), 1, atol=0.25)
    assert np.std(x[:, 1] - x[:, 0] ** 2) < 0.65
