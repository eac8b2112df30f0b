"""The stage `steps` of `benchmarks.gpu`: contenders in turn, each in a process of its own."""

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
    """Ours, the floor and, where JAX is, our step without `fit` and the Glow by hand."""
    names = ["flow", *(["step"] if backend == "jax" else []), "floor"]
    return [*names, "by_hand"] if importlib.util.find_spec("jax") else names


def run(args):
    """Measures what is missing in `steps.json`, as far as the time goes; 1 if something failed."""
    options = QUICK if args.quick else FULL
    backend = os.environ["KERAS_BACKEND"]
    settings = {**options, "mixed": not args.float32, "backend": backend}
    path = args.out / RESULTS
    found = json.loads(path.read_text()) if path.exists() else {"settings": settings, "runs": {}}
    if found["settings"] != settings:
        raise SystemExit(
            f"{path} was begun with other settings: give the same ones or another --out. "
            f"Received: {settings}, there: {found['settings']}."
        )
    status = 0
    for name, round_, task in tasks(settings, args.rounds):
        done = found["runs"].setdefault(name, {})
        if str(round_) in done:
            continue
        left = max(1, args.end - time.monotonic())
        try:
            its_own = "jax" if name == "by_hand" else None
            figures = measured("gpu", task, its_own, gpu=True, timeout=left)
        except subprocess.TimeoutExpired:
            say(f"No time was left for {name}, round {round_}: the same command again goes on.")
            break
        except RuntimeError as error:
            say(f"{name}, round {round_}: failed\n{error}")
            status = 1
            continue
        say(f"{name}, round {round_}: {figures}")
        done[str(round_)] = figures
        write(path, json.dumps(found, indent=1) + "\n")
    return status


def tasks(settings, rounds):
    """Name, round and task of each measurement; each round starts with another contender."""
    sizes, names = settings["sizes"], contenders(settings["backend"])
    yield "ceiling", 1, {"what": "ceiling", "size": settings["matrix_size"], "sizes": sizes}
    same = {key: settings[key] for key in ("sizes", "batch", "steps", "warmup", "mixed")}
    for round_ in range(rounds):
        turn = round_ % len(names)
        for name in names[turn:] + names[:turn]:
            yield name, round_ + 1, {"what": "steps", "contender": name, **same}
