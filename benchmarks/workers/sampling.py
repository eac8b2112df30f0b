"""Times samples and densities of one contender in this process; prints one line of JSON.

Run by `benchmarks.sampling`: `python -m benchmarks.workers.sampling '{"model": "maf", ...}'`.
"""

import itertools
import json
import sys
import time
from statistics import median

import numpy as np

from benchmarks.contenders import BENCHMARKS
from benchmarks.workers.training import load


def keras_functions(build, sizes, batch):
    """Functions that sample and give densities, as users of a flow call it: arrays in and out."""
    import keras

    keras.utils.set_random_seed(0)
    flow = build(**sizes)
    return (
        lambda n: flow.sample(n, batch_size=batch),
        lambda x: flow.log_prob(x, batch_size=batch),
    )


def torch_functions(build, sizes, batch):
    """The same for a torch module, without gradients: tensors in and out."""
    import torch

    torch.manual_seed(0)
    model, _ = build(**sizes)
    model.eval()

    @torch.no_grad()
    def sample(n):
        return torch.cat([model.sample(size) for size in batches(n, batch)])

    @torch.no_grad()
    def log_prob(x):
        return torch.cat([model.log_prob(part) for part in x.split(batch)])

    return sample, log_prob


def jax_functions(build, sizes, batch):
    """The same for jitted functions: arrays in and out."""
    import jax

    model, keys = build(**sizes), map(jax.random.key, itertools.count())
    params = jax.tree.map(jax.numpy.array, model.params)
    draw, density = jax.jit(model.sample, static_argnums=2), jax.jit(model.log_prob)

    def sample(n):
        return np.concatenate([draw(params, next(keys), size) for size in batches(n, batch)])

    def log_prob(x):
        parts = [x[i : i + batch] for i in range(0, len(x), batch)]
        return np.concatenate([density(params, next(keys), part) for part in parts])

    return sample, log_prob


FUNCTIONS = {"keras": keras_functions, "torch": torch_functions, "jax": jax_functions}


def batches(n, batch):
    """Sizes of the batches that together have n samples."""
    return [min(batch, n - i) for i in range(0, n, batch)]


def timed(function, argument):
    """The result, the seconds it took, and the CPU seconds of all threads."""
    start, cpu = time.perf_counter(), time.process_time()
    result = function(argument)
    return result, time.perf_counter() - start, time.process_time() - cpu


def measure(model, contender, sizes, rows, batch, calls):
    """Median seconds of both after a first call of each, and the samples' mean log density."""
    entry = BENCHMARKS[model].contenders[contender]
    make = FUNCTIONS[entry.runs_in]
    sample, log_prob = make(load(entry.build), sizes, batch)
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
