"""Times a floor and a flow, and samples and densities, in turn; prints one line of JSON.

Run by `benchmarks.turns`: `python -m benchmarks.workers.turns '{"model": "nice", ...}'`.
"""

import json
import sys
import time

import keras
import numpy as np

from benchmarks.contenders import BENCHMARKS
from benchmarks.steps.keras import Stamps
from benchmarks.workers.training import images, load


def in_turns(functions, turns):
    """Medians of the seconds that each of two functions gives, quartiles of second over first.

    A call of each comes first and is not counted; then the one and the other begin in turn.
    """
    names, seconds = list(functions), {name: [] for name in functions}
    for function in functions.values():
        function()
    for turn in range(turns):
        for name in names[:: 1 if turn % 2 else -1]:
            seconds[name].append(functions[name]())
    one, other = (np.asarray(times) for times in seconds.values())
    ratios = np.quantile(other / one, [0.25, 0.5, 0.75]).tolist()
    return {**{name: float(np.median(times)) for name, times in seconds.items()}, "ratio": ratios}


def step_seconds(model, x, batch):
    """Of a training step, from the end of a first one on, so that `fit` has started by then."""
    stamps = Stamps()
    model.fit(x, batch_size=batch, verbose=0, callbacks=[stamps])
    times = [done[0] for done in stamps.done.values()]
    # Not of the first to the last one: of short steps on JAX a later one may be told before.
    return (max(times) - min(times)) / (len(times) - 1)


def seconds(function, *args, **options):
    start = time.perf_counter()
    function(*args, **options)
    return time.perf_counter() - start


def measure(model, turns, batch, steps, rows, part):
    """`in_turns` of training, floor and flow, and of sampling, densities and samples."""
    benchmark, backend = BENCHMARKS[model], keras.backend.backend()
    keras.utils.set_random_seed(0)
    flow, floor = (
        load(benchmark.contenders[f"{kind}-{backend}"].build)(**benchmark.sizes)
        for kind in ("keras_flows", "floor")
    )
    for trained in (flow, floor):
        trained.compile(keras.optimizers.Adam(1e-4))  # noise teaches nothing: slow, so as to stay
    x = images(benchmark, benchmark.data[-1], (1 + steps) * batch)
    pictures = flow.sample(rows, batch_size=part)
    training = {
        "floor": lambda: step_seconds(floor, x, batch),
        "flow": lambda: step_seconds(flow, x, batch),
    }
    sampling = {
        "densities": lambda: seconds(flow.log_prob, pictures, batch_size=part),
        "samples": lambda: seconds(flow.sample, rows, batch_size=part),
    }
    return {"training": in_turns(training, turns), "sampling": in_turns(sampling, turns)}


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
