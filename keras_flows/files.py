"""Writing files whole or not at all."""

import contextlib
import json
import os
import pathlib


@contextlib.contextmanager
def written_whole(path):
    """A path beside `path` to write to; it takes the place of `path` once all went well.

    >>> with written_whole("model.keras") as partial: flow.save(partial)
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    yield partial
    os.replace(partial, path)


def write_json(path, value):
    """Writes `value` as indented JSON."""
    with written_whole(path) as partial:
        partial.write_text(json.dumps(value, indent=1) + "\n")
