"""docs/own_layer.md: each block is a whole program."""

import pathlib
import re

import pytest

PAGE = (pathlib.Path(__file__).parents[1] / "docs" / "own_layer.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=re.findall("class (.*?)\\(", "".join(BLOCKS)))
def test_a_block_of_the_page_runs_by_itself(block):
    exec(compile(block, "own_layer.md", "exec"), {"__name__": "block"})
