"""Times a flow's first training step in this process, imports included; prints one line of JSON.

Run by `benchmarks.first_step`: `python -m benchmarks.workers.first_step '{"started": ...}'`.
"""

import json
import sys
import time


def measure(started, model, contender, sizes, batch):
    """Wall and CPU seconds of each stage and of the whole, the loss, and the number of parameters.

    `started` is the time just before the process was started. CPU time is that of all threads,
    compilers included.
    """
    stamps = [(started, 0.0)]

    def stamp():
        stamps.append((time.time(), time.process_time()))

    import keras

    from benchmarks.contenders import BENCHMARKS
    from benchmarks.workers.training import images, load

    benchmark = BENCHMARKS[model]
    build = load(benchmark.contenders[contender].build)
    stamp()
    flow = build(**sizes)
    flow.compile(keras.optimizers.Adam(1e-3))
    stamp()
    x = images(benchmark, "synthetic", batch)
    history = flow.fit(x, batch_size=batch, verbose=0).history
    stamp()
    first, last = stamps[0], stamps[-1]
    spans = dict(zip(("import", "build", "first_step"), zip(stamps, stamps[1:])))
    return {
        **{name: cost(*span) for name, span in spans.items()},
        "whole": cost(first, last),
        "loss": history["loss"][0],
        "parameters": flow.count_params(),
    }


def cost(begin, end):
    return {"wall_s": end[0] - begin[0], "cpu_s": end[1] - begin[1]}


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
