"""The code blocks of README and docs, and the marks that say how a test runs them.

A mark is an HTML comment before a block. It holds for that block alone:

    <!-- test: epochs=1 mnist=256 -->

| mark | what the test does |
|---|---|
| `epochs=N` | trains N epochs in place of those of the block |
| `mnist=N` | takes the first N pictures of each part of MNIST |
| `preset=NAME` | runs the block by itself, if this preset is there |
| `backend=NAME` | runs the block in a new process, if the tests run on this backend |
| `NAME=VALUE`, in capitals | an environment variable of that process |
| `hosts=2` | does not run the block, which needs several hosts |

A block without a mark runs as it is printed. The Python blocks of a page run one after another.
"""

import dataclasses
import pathlib
import re
import shlex

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
MARKS = {"epochs", "mnist", "preset", "backend", "hosts"}
PIECE = re.compile(
    r"^<!-- test: (?P<marks>.*?) -->$"
    r"|^```python\n(?P<python>.*?)^```$"
    r"|^```(?:\w+)?\n.*?^```$"
    r"|(?P<indented>(?:^ {4}[^\n]*\n)+)",
    re.DOTALL | re.MULTILINE,
)
INLINE = re.compile(r"`(python -m reproductions\.\w+ --[^`]*)`")
COMMANDS = ("keras-flows ", "python -m reproductions.")


@dataclasses.dataclass(frozen=True)
class Block:
    python: bool
    text: str
    marks: dict

    @property
    def environment(self):
        return {name: value for name, value in self.marks.items() if name.isupper()}


def blocks(page):
    """The blocks of a page in their order, each with its marks."""
    marks, result = {}, []
    for piece in PIECE.finditer(page.read_text(encoding="utf-8")):
        if piece["marks"]:
            marks = dict(mark.split("=") for mark in piece["marks"].split())
            unknown = [name for name in marks if name not in MARKS and not name.isupper()]
            if unknown:
                raise ValueError(f"A mark is one of {MARKS}. Received: {unknown} in {page.name}.")
            continue
        text = piece["python"] or piece["indented"]
        if text:
            result.append(Block(piece["python"] is not None, text, marks))
        marks = {}
    return result


def python_blocks(page):
    return [block for block in blocks(page) if block.python]


def commands(page):
    """`(command, marks)` of every command of the package in a page."""
    shell = [block for block in blocks(page) if not block.python]
    for block in shell:
        lines = re.sub(r"\\\n\s*", "", block.text).splitlines()
        for command in (part.strip() for line in lines for part in line.split("&&")):
            if command.startswith(COMMANDS):
                yield command, block.marks
    for command in INLINE.findall(page.read_text(encoding="utf-8")):
        yield command, {}


def words(command):
    return shlex.split(command, comments=True)
