"""Griffe: the two-line examples at the end of docstrings become blocks of code."""

import re

from griffe import Extension

EXAMPLE = re.compile(r"(?:^(?:>>>|\.\.\.) .*(?:\n|\Z))+", re.MULTILINE)


class Examples(Extension):
    def on_object(self, *, obj, **kwargs):
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(fenced, obj.docstring.value)


def fenced(lines):
    code = re.sub(r"^(>>>|\.\.\.) ", "", lines[0].rstrip("\n"), flags=re.MULTILINE)
    return f"```python\n{code}\n```\n"
