"""Measurements in separate processes, and their results in files."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"


def measured(module, task, backend=None, gpu=False, env=None, **options):
    """The figures that `python -m benchmarks.workers.MODULE TASK` prints on its last line.

    Args:
        module: name of the worker.
        task: dict, the arguments of its `measure`.
        backend: Keras backend, if any.
        gpu: whether the process sees GPUs.
        env: additional environment variables.
        options: of `subprocess.run`.

    Raises RuntimeError with the process's error output if it fails.
    """
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **(env or {})}
    if not gpu:
        env["CUDA_VISIBLE_DEVICES"] = ""
    if backend:
        env["KERAS_BACKEND"] = backend
    command = [sys.executable, "-m", f"benchmarks.workers.{module}", json.dumps(task)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, **options)
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or f"exit status {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def attempted(run, *args):
    """The figures of `run(*args)`, or `{"failed": reason}`."""
    try:
        return run(*args)
    except RuntimeError as error:
        return {"failed": str(error).splitlines()[-1]}


def exit_status(entries):
    """The exit status of a program whose entries come from `attempted`: 1 if one failed."""
    return 1 if any("failed" in entry for entry in entries) else 0


def say(text):
    print(text, file=sys.stderr, flush=True)


def publish(stem, text, result, out):
    """Prints the page and the JSON, and writes both to the folder `out` unless it is None."""
    data = json.dumps(result, indent=1) + "\n"
    print(text, data, sep="\n", end="")
    if out is not None:
        write(out / f"{stem}.md", text)
        write(out / f"{stem}.json", data)


def write(path, text):
    """Writes to a temporary file first, so that readers never see half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    partial.replace(path)
