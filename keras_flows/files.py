"""Files that are written completely or not at all, and folders locked against other processes."""

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
    """Yields a temporary path to write to, which replaces `path` at the end of the block.

    After an error the temporary file is removed and `path` stays as it was. If `path` is a symbolic
    link, its target is replaced. Raises ValueError for a device, a pipe or a folder.

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
        error.filename = error.filename or str(path)  # a full disk raises without it
        raise
    finally:
        partial.unlink(missing_ok=True)


def write_json(path, value):
    """Writes `value` as indented JSON."""
    with written_whole(path) as partial:
        partial.write_text(json.dumps(value, indent=1) + "\n")


@contextlib.contextmanager
def locked(folder):
    """Makes `folder` and locks it against other processes that lock it.

    The lock ends with the block or with the process, also if it is killed. There is no lock if the
    system or the file system does not support it. Raises ValueError if another process holds the
    lock, and OSError if the folder cannot be written.

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
                f"Another run writes to this folder: wait for its end, or choose another one. "
                f"Received: {folder}, in use by {file.read().strip() or 'an unknown process'}."
            ) from None
        except OSError:  # a file system without locks
            pass
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()
        yield
