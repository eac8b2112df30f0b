"""MkDocs: brings the pages, pictures and tables from outside of docs/ into the site.

README.md becomes the home page. Links are written as GitHub needs them; here they are changed to
where their targets are in the site.
"""

import pathlib
import re

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).parents[2]
PAGES = {
    "README.md": "index.md",
    "README.zh-CN.md": "README.zh-CN.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "reproductions/data/README.md": "mnist.md",
}
FOLDERS = ("samples", "benchmarks/results")
LINK = re.compile(r"(\]\()([^):#\s]+)")


def on_files(files, config):
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".png", ".json", ".md"):
                name = path.relative_to(ROOT).as_posix()
                files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Changes links to what they are in the site, where a file of the repository has moved."""
    source = {site: name for name, site in PAGES.items()}.get(page.file.src_uri)
    folder = pathlib.PurePosixPath(source or f"docs/{page.file.src_uri}").parent
    depth = page.file.src_uri.count("/")

    def moved(link):
        target = (ROOT / folder / link[2]).resolve()
        if not target.exists() or ROOT not in target.parents:
            return link[0]
        name = target.relative_to(ROOT).as_posix()
        name = PAGES.get(name) or name.removeprefix("docs/")
        name = "gallery.md" if name == "samples" else name
        return link[1] + "../" * depth + name

    return LINK.sub(moved, markdown)
