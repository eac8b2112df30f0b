"""Measurements in processes of their own, and what is left of them: messages and results."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"


def measured(module, task, backend=None, gpu=False, env=None, **options):
    """What `python -m benchmarks.workers.MODULE TASK` prints on its last line.

    Raises RuntimeError where it fails.

    GPUs are hidden unless `gpu`; `env` is added to the environment, `options` are those of
    `subprocess.run`.
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
    """The figures of `run(*args)` or, where it fails, `{"failed": why}`."""
    try:
        return run(*args)
    except RuntimeError as error:
        return {"failed": str(error).splitlines()[-1]}


def say(text):
    print(text, file=sys.stderr, flush=True)


def publish(stem, text, result, out):
    """Prints the page and the data, and writes both into the folder `out` unless it is None."""
    data = json.dumps(result, indent=1) + "\n"
    print(text, data, sep="\n", end="")
    if out is not None:
        write(out / f"{stem}.md", text)
        write(out / f"{stem}.json", data)


def write(path, text):
    """Beside its place first, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    partial.replace(path)
