"""The stage `steps` of `benchmarks.gpu`: contenders alternate, each in a separate process."""

import importlib.util
import json
import os
import subprocess
import time

from benchmarks.processes import measured, say, write

FULL = {
    "sizes": {"image_shape": [64, 64, 3], "levels": 3, "depth": 10, "hidden": 512},
    "batch": 64,
    "steps": 200,
    "warmup": 20,
    "matrix_size": 8192,
}
QUICK = {
    "sizes": {"image_shape": [16, 16, 3], "levels": 2, "depth": 1, "hidden": 8},
    "batch": 8,
    "steps": 4,
    "warmup": 1,
    "matrix_size": 256,
}
RESULTS = "steps.json"


def contenders(backend):
    """The flow, its floor; on JAX its step without `fit`; if JAX is installed, a Glow by hand."""
    names = ["flow", *(["step", "unrolled"] if backend == "jax" else []), "floor"]
    return [*names, "by_hand"] if importlib.util.find_spec("jax") else names


def run(args):
    """Measures what is missing in `steps.json` until the time is over; returns 1 if one fails."""
    options = QUICK if args.quick else FULL
    backend = os.environ["KERAS_BACKEND"]
    settings = {**options, "mixed": not args.float32, "backend": backend}
    path = args.out / RESULTS
    results = json.loads(path.read_text()) if path.exists() else {"settings": settings, "runs": {}}
    if results["settings"] != settings:
        raise SystemExit(
            f"{path} was started with other settings: give the same ones or another --out. "
            f"Received: {settings}, expected: {results['settings']}."
        )
    status = 0
    for name, round_, task in tasks(settings, args.rounds):
        done = results["runs"].setdefault(name, {})
        if str(round_) in done:
            continue
        left = max(1, args.end - time.monotonic())
        try:
            task_backend = "jax" if name == "by_hand" else None
            figures = measured("gpu", task, task_backend, gpu=True, timeout=left)
        except subprocess.TimeoutExpired:
            say(
                f"No time was left for {name}, round {round_}: run the same command again to go on."
            )
            break
        except RuntimeError as error:
            say(f"{name}, round {round_}: failed\n{error}")
            status = 1
            continue
        say(f"{name}, round {round_}: {figures}")
        done[str(round_)] = figures
        write(path, json.dumps(results, indent=1) + "\n")
    return status


def tasks(settings, rounds):
    """Name, round and task of each measurement; each round starts with another contender."""
    sizes, names = settings["sizes"], contenders(settings["backend"])
    yield "ceiling", 1, {"what": "ceiling", "size": settings["matrix_size"], "sizes": sizes}
    options = {key: settings[key] for key in ("sizes", "batch", "steps", "warmup", "mixed")}
    for round_ in range(rounds):
        first = round_ % len(names)
        for name in names[first:] + names[:first]:
            yield name, round_ + 1, {"what": "steps", "contender": name, **options}
