"""Measures one contender in this process and prints the result as one line of JSON.

Run by `benchmarks.training`: `python -m benchmarks.workers.training '{"model": "nice", ...}'`.
"""

import importlib
import json
import sys
from pathlib import Path

import numpy as np

from benchmarks.contenders import BENCHMARKS

MNIST = Path(__file__).parents[2] / "reproductions" / "data" / "mnist.npz"


def images(benchmark, data, count):
    """`count` samples: uniform noise, floats or integers, or MNIST, repeated if it is too short."""
    shape, generator = benchmark.sample_shape, np.random.default_rng(0)
    if data == "mnist":
        digits = np.load(MNIST)["x_train"].astype("float32") / 255
        return np.resize(digits, (count, *shape))
    if benchmark.levels:
        return generator.integers(benchmark.levels, size=(count, *shape), dtype="uint8")
    return generator.random((count, *shape), dtype="float32")


def load(build):
    """The function named by a contender's `build`."""
    module, function = build.split(":")
    return getattr(importlib.import_module(f"benchmarks.contenders.{module}"), function)


def measure(model, contender, data, batch, steps, warmup, **options):
    """Samples a second over the steps after the warm-up, and figures that show it has trained.

    `options` are those of `training_loops.keras.measure`.
    """
    benchmark = BENCHMARKS[model]
    entry = benchmark.contenders[contender]
    x = images(benchmark, data, (warmup + steps) * batch)
    training_loop = importlib.import_module(f"benchmarks.training_loops.{entry.runs_in}")
    run = training_loop.measure(load(entry.build), x, batch, benchmark.sizes, entry.adam, **options)
    times, cpu, losses = run["times"], run["cpu"], run["losses"]
    return {
        "samples_per_s": batch * steps / (times[-1] - times[warmup]),
        "cpu_s_per_step": (cpu[-1] - cpu[warmup]) / steps,
        "first_step_s": times[1] - times[0],
        "median_step_s": float(np.median(np.diff(times)[warmup:])),
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "parameters": run["parameters"],
        "threads": run["threads"],
    }


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
