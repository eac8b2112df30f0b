"""The blocks of docs/data_files.md run one after another, in an empty folder."""

import pathlib
import re

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "data_files.md"


def test_the_blocks_run_and_print_what_they_say(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    exec("\n".join(blocks), {})
    lines = capsys.readouterr().out.splitlines()
    for comment in re.findall(r"print\(.*  # (.*)", "".join(blocks)):
        pieces = [re.escape(piece) for piece in comment.split("...")]
        assert any(re.fullmatch(".*".join(pieces), line) for line in lines), comment
