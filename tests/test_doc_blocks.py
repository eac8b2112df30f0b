"""README and docs: every Python block runs, every command is one that the console knows.

`tests/doc_blocks.py` has the marks by which a page says what a test changes in a block.
"""

import os
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_flows
from keras_flows import recipes
from keras_flows.cli.console import parser
from tests.doc_blocks import PAGES, ROOT, commands, python_blocks, words

PRINTED = re.compile(r"print\(.*  # (.*)")


def pages(chosen):
    """The pages with chosen blocks; those of all but README are slow."""
    return [
        pytest.param(page, id=page.name, marks=[] if page.name == "README.md" else pytest.mark.slow)
        for page in PAGES
        if any(chosen(block) for block in python_blocks(page))
    ]


def is_plain(block):
    return not {"preset", "backend", "hosts"} & set(block.marks)


def has_preset(name):
    return name in getattr(keras_flows, "list_presets", list)()


def run(block, names, monkeypatch):
    """Executes a block in the namespace `names`, changed as its marks say."""
    mnist, fit = keras_flows.datasets.mnist, keras.Model.fit

    def few(path=None, labels=True):
        n = int(block.marks["mnist"])
        return tuple((x[:n], y if y is None else y[:n]) for x, y in mnist(path, labels))

    def short(self, *args, **options):
        return fit(self, *args, **{**options, "epochs": int(block.marks["epochs"]), "verbose": 0})

    with monkeypatch.context() as patch:
        if "mnist" in block.marks:
            patch.setattr(keras_flows.datasets, "mnist", few)
        if "epochs" in block.marks:
            patch.setattr(keras.Model, "fit", short)
        exec(compile(block.text, "a block of the page", "exec"), names)


@pytest.mark.parametrize("page", pages(is_plain))
def test_the_code_blocks_of_a_page_run_one_after_another(page, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    plain = [block for block in python_blocks(page) if is_plain(block)]
    for block in plain:
        run(block, names, monkeypatch)
        assert not page.name.startswith("blog") or names.get("error", 0) < 1e-5  # of a decoder
    printed = capsys.readouterr().out.splitlines()
    for comment in PRINTED.findall("".join(block.text for block in plain)):
        pieces = ".*".join(re.escape(piece) for piece in comment.split("..."))
        assert any(re.fullmatch(pieces, line) for line in printed), comment


@pytest.mark.parametrize("page", pages(lambda block: "preset" in block.marks))
def test_the_blocks_of_presets_run(page, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for block in python_blocks(page):
        if "preset" in block.marks:
            if not has_preset(block.marks["preset"]):
                pytest.skip(f"no preset {block.marks['preset']}")
            run(block, {"__name__": "__main__"}, monkeypatch)


@pytest.mark.parametrize("page", pages(lambda block: "backend" in block.marks))
def test_the_blocks_of_this_backend_run_in_a_new_process(page, tmp_path):
    here = [b for b in python_blocks(page) if b.marks.get("backend") == keras.backend.backend()]
    if not here:
        pytest.skip(f"no block for {keras.backend.backend()}")
    for block in here:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **block.environment}
        command = [sys.executable, "-c", block.text]
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_the_variational_flow_of_the_page_finds_its_target(monkeypatch):
    page = ROOT / "docs" / "posteriors.md"
    block = next(b for b in python_blocks(page) if "ReverseKL" in b.text)
    names = {"__name__": "__main__"}
    exec(block.text, names)
    x = names["flow"].sample(4000, seed=0)
    assert abs(x[:, 0].std() - 1) < 0.15
    np.testing.assert_allclose(x[:, 1].mean(), 1, atol=0.25)
    assert np.std(x[:, 1] - x[:, 0] ** 2) < 0.65


def test_the_chinese_pages_have_the_same_code():
    chinese = [page for page in PAGES if page.name.endswith(".zh-CN.md")]
    assert len(chinese) > 1
    for page in chinese:
        english = page.with_name(page.name.replace(".zh-CN", ""))
        bare, expected = (
            [re.sub(r" *#.*", "", block.text) for block in python_blocks(p)]
            for p in (page, english)
        )
        assert bare == expected != []


@pytest.mark.parametrize(
    "page", [page for page in PAGES if list(commands(page))], ids=lambda page: page.name
)
def test_every_command_of_a_page_is_understood(page):
    for command, marks in commands(page):
        if keras.backend.backend() == "torch" and "--devices" in command:
            continue  # refused there, as the page says
        if "preset" not in marks or has_preset(marks["preset"]):
            understood(command)


def understood(command):
    """Parses a command line; the test fails with it if the parser refuses it."""
    program, *rest = words(command)
    if program == "python":
        rest = ["train", rest[1].removeprefix("reproductions."), *rest[2:]]
    try:
        if rest[:1] == ["train"] and rest[1:]:
            recipes.load(rest[1]).options(rest[2:])
        else:
            parser().parse_args(rest)
    except SystemExit as ended:
        assert ended.code == 0, command
