"""Times floor and flow, and samples and densities, alternately; prints one line of JSON.

Run by `benchmarks.overhead`: `python -m benchmarks.workers.overhead '{"model": "nice", ...}'`.
"""

import json
import sys
import time

import keras
import numpy as np

from benchmarks.contenders import BENCHMARKS
from benchmarks.training_loops.keras import Stamps
from benchmarks.workers.training import images, load


def compare(functions, rounds):
    """Medians of the seconds that two functions return, and quartiles of second over first.

    Both are called once without being counted; then each round calls both, in changing order.
    """
    names, seconds = list(functions), {name: [] for name in functions}
    for function in functions.values():
        function()
    for r in range(rounds):
        for name in names[:: 1 if r % 2 else -1]:
            seconds[name].append(functions[name]())
    first, second = (np.asarray(times) for times in seconds.values())
    ratios = np.quantile(second / first, [0.25, 0.5, 0.75]).tolist()
    return {**{name: float(np.median(times)) for name, times in seconds.items()}, "ratio": ratios}


def step_seconds(model, x, batch):
    """Mean seconds of a training step after the first one, which includes the start of `fit`."""
    stamps = Stamps()
    model.fit(x, batch_size=batch, verbose=0, callbacks=[stamps])
    times = [stamp[0] for stamp in stamps.done.values()]
    # Not from the first to the last step: on JAX callbacks of short steps may change order.
    return (max(times) - min(times)) / (len(times) - 1)


def seconds(function, *args, **options):
    start = time.perf_counter()
    function(*args, **options)
    return time.perf_counter() - start


def measure(model, rounds, batch, steps, rows, sampling_batch):
    """Compares training of floor and flow, and computing densities with drawing samples."""
    benchmark, backend = BENCHMARKS[model], keras.backend.backend()
    keras.utils.set_random_seed(0)
    flow, floor = (
        load(benchmark.contenders[f"{kind}-{backend}"].build)(**benchmark.sizes)
        for kind in ("keras_flows", "floor")
    )
    for trained in (flow, floor):
        # The data is noise: a small learning rate keeps the weights from growing.
        trained.compile(keras.optimizers.Adam(1e-4))
    x = images(benchmark, benchmark.data[-1], (1 + steps) * batch)
    pictures = flow.sample(rows, batch_size=sampling_batch)
    training = {
        "floor": lambda: step_seconds(floor, x, batch),
        "flow": lambda: step_seconds(flow, x, batch),
    }
    sampling = {
        "densities": lambda: seconds(flow.log_prob, pictures, batch_size=sampling_batch),
        "samples": lambda: seconds(flow.sample, rows, batch_size=sampling_batch),
    }
    return {"training": compare(training, rounds), "sampling": compare(sampling, rounds)}


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
