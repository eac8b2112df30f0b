"""Writing files whole or not at all, and into folders that no other process writes to."""

import contextlib
import json
import os
import pathlib
import platform

try:
    import fcntl
except ImportError:  # not on Windows, where folders are not locked
    fcntl = None

LOCK = ".lock"


@contextlib.contextmanager
def written_whole(path):
    """A path beside `path` to write to; it takes the place of `path` once all went well.

    After an error nothing of it is left. A symbolic link stays and the file that it names is
    replaced; a device, a pipe or a folder is refused with a ValueError.

    >>> with written_whole("model.keras") as partial: flow.save(partial)
    """
    target = pathlib.Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise ValueError(
            f"Only a plain file can be written and replaced, not a device, a pipe or a folder. "
            f"Received: {path}."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.stem}.partial{target.suffix}")
    try:
        yield partial
        os.replace(partial, target)
    except OSError as error:
        error.filename = error.filename or str(path)  # of a full disk it is not said
        raise
    finally:
        partial.unlink(missing_ok=True)


def write_json(path, value):
    """Writes `value` as indented JSON."""
    with written_whole(path) as partial:
        partial.write_text(json.dumps(value, indent=1) + "\n")


@contextlib.contextmanager
def locked(folder):
    """Makes `folder` and locks it against every other process that asks for the same.

    The lock ends with the process, however that ends. Where the system or the file system has no
    such locks there is none. Raises ValueError if another process has it, and OSError if the
    folder cannot be written.

    >>> with locked("run"): train("run")
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK, "a+") as file:
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ValueError(
                f"Another run writes to this folder: wait for its end, or write to another one. "
                f"Received: {folder}, in use by {file.read().strip() or 'an unknown process'}."
            ) from None
        except OSError:  # a file system without locks
            pass
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()
        yield
