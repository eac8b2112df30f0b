"""README and docs: every link leads somewhere, and every public name has its place."""

import importlib
import inspect
import re

import pytest

import keras_flows
import keras_flows.testing
from tests.doc_blocks import PAGES, ROOT

LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
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


def public_names():
    """`(name, object)` of what `keras_flows` and its public modules have in `__all__`."""
    modules = {"keras_flows": keras_flows, "keras_flows.testing": keras_flows.testing}
    modules |= {
        f"keras_flows.{name}": getattr(keras_flows, name)
        for name in keras_flows.__all__
        if inspect.ismodule(getattr(keras_flows, name))
    }
    for path, module in modules.items():
        for name in getattr(module, "__all__", []):
            if not inspect.ismodule(getattr(module, name)) and name != "__version__":
                yield f"{path}.{name}", getattr(module, name)


def test_every_public_name_is_in_the_reference():
    pages = (ROOT / "docs" / "reference").glob("*.md")
    lines = [line for page in pages for line in page.read_text(encoding="utf-8").splitlines()]
    names = [line.removeprefix("::: ") for line in lines if line.startswith("::: ")]
    shown = [resolve(name) for name in names]
    assert len(names) == len(set(names))
    expected = list(public_names())
    assert len(expected) > 100
    assert [name for name, x in expected if not any(x is y for y in shown)] == []


def resolve(name):
    """The object of a full name; fails if there is none."""
    module, _, last = name.rpartition(".")
    return getattr(importlib.import_module(module), last)
