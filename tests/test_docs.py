"""README and docs: every Python block runs as printed, every link leads somewhere."""

import pathlib
import re

import keras
import numpy as np
import pytest

import keras_flows

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
PRINTED = re.compile(r"print\(.*  # (.*)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
# Pages whose blocks need several devices.
ELSEWHERE = {"devices.md"}


def blocks(page):
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def code_pages():
    pages = [page for page in PAGES if blocks(page) and page.name not in ELSEWHERE]
    return [
        pytest.param(page, id=page.name, marks=[] if page.name == "README.md" else pytest.mark.slow)
        for page in pages
    ]


@pytest.fixture
def short(monkeypatch, tmp_path):
    """An empty folder, MNIST of 256 pictures, and one epoch in place of many."""
    monkeypatch.chdir(tmp_path)
    mnist, fit = keras_flows.datasets.mnist, keras.Model.fit

    def few(path=None, labels=True):
        return tuple((x[:256], y if y is None else y[:256]) for x, y in mnist(path, labels))

    def once(self, *args, **options):
        return fit(self, *args, **{**options, "epochs": 1, "verbose": 0})

    monkeypatch.setattr(keras_flows.datasets, "mnist", few)
    monkeypatch.setattr(keras.Model, "fit", once)


@pytest.mark.parametrize("page", code_pages())
def test_the_code_blocks_of_a_page_run_one_after_another(page, short, capsys):
    names = {"__name__": "__main__"}
    for number, block in enumerate(blocks(page), 1):
        exec(compile(block, f"{page.name}, block {number}", "exec"), names)
        assert not page.name.startswith("blog") or names.get("error", 0) < 1e-5  # of a decoder
    printed = capsys.readouterr().out.splitlines()
    for comment in PRINTED.findall("".join(blocks(page))):
        pieces = ".*".join(re.escape(piece) for piece in comment.split("..."))
        assert any(re.fullmatch(pieces, line) for line in printed), comment


@pytest.mark.slow
def test_the_variational_flow_of_the_page_finds_its_target():
    block = next(b for b in blocks(ROOT / "docs" / "data.md") if "ReverseKL" in b)
    names = {"__name__": "__main__"}
    exec(block.replace("np.zeros((50, 1))", "np.zeros((2000, 1))"), names)
    x = names["flow"].sample(4000, seed=0)
    assert abs(x[:, 0].std() - 1) < 0.15
    np.testing.assert_allclose(x[:, 1].mean(), 1, atol=0.25)
    assert np.std(x[:, 1] - x[:, 0] ** 2) < 0.65


def test_the_chinese_pages_have_the_same_code():
    chinese = sorted((ROOT / "docs").glob("*.zh-CN.md"))
    bare = lambda page: [re.sub(r" *#.*", "", block) for block in blocks(page)]  # noqa: E731
    assert chinese
    for page in chinese:
        english = page.with_name(page.name.replace(".zh-CN", ""))
        assert bare(page) == bare(english) != []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page):
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def anchors(page):
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_public_layer_and_model_is_in_the_page_of_layers():
    page = (ROOT / "docs" / "layers.md").read_text(encoding="utf-8")
    kinds = [keras_flows.layers, keras_flows.models]
    names = [name for kind in kinds for name in kind.__all__]
    assert [name for name in names if f"`{name}" not in page] == []


def test_every_script_is_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    scripts = [path.stem for path in (ROOT / "reproductions").glob("[a-z]*.py")]
    assert scripts and [name for name in scripts if f"`{name}`" not in text] == []
