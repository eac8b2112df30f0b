"""Times samples and densities of one contender in this process; prints one line of JSON.

Run by `benchmarks.sampling`: `python -m benchmarks.sampling_worker '{"model": "maf", ...}'`.
"""

import json
import sys
import time
from statistics import median

import numpy as np

from benchmarks.contenders import BENCHMARKS
from benchmarks.worker import load


def of_keras(build, sizes):
    """The calls of a flow's user: arrays in and out."""
    import keras

    keras.utils.set_random_seed(0)
    flow = build(**sizes)
    return (
        lambda n: flow.sample(n, batch_size=n),
        lambda x: flow.log_prob(x, batch_size=len(x)),
    )


def of_torch(build, sizes):
    """The same of a torch module, without gradients, tensors in and out."""
    import torch

    torch.manual_seed(0)
    model, _ = build(**sizes)
    model.eval()
    return torch.no_grad()(model.sample), torch.no_grad()(model.log_prob)


def timed(function, argument):
    """The result, the seconds it took, and the CPU seconds of all threads."""
    start, cpu = time.perf_counter(), time.process_time()
    result = function(argument)
    return result, time.perf_counter() - start, time.process_time() - cpu


def measure(model, contender, sizes, rows, calls):
    """Median seconds of both, after a call of each, and the samples' mean log density."""
    entry = BENCHMARKS[model].contenders[contender]
    make = of_keras if entry.backend else of_torch
    sample, log_prob = make(load(entry.build), sizes)
    x, first_sample, _ = timed(sample, rows)
    density, first_density, _ = timed(log_prob, x)
    samples = [timed(sample, rows)[1:] for _ in range(calls)]
    densities = [timed(log_prob, x)[1:] for _ in range(calls)]
    return {
        "sample_s": median(wall for wall, _ in samples),
        "sample_cpu_s": median(cpu for _, cpu in samples),
        "density_s": median(wall for wall, _ in densities),
        "density_cpu_s": median(cpu for _, cpu in densities),
        "first_sample_s": first_sample,
        "first_density_s": first_density,
        "mean_density": float(np.mean(np.asarray(density))),
    }


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
