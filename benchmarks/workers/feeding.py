"""Measures one kind of data in this process; prints one line of JSON.

Run by `benchmarks.feeding`: `python -m benchmarks.workers.feeding '{"case": {...}, ...}'`.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

from benchmarks.training_loops.keras import Stamps, in_order
from keras_flows import Flow, datasets
from keras_flows.data.shuffled import Shuffled
from keras_flows.layers import Dequantize, Scale


def measure(case, steps):
    """Median seconds of reading a batch, and of a `fit` step of a flow of one scaling."""
    flow = scaling_flow(tuple(case["shape"]), case["dtype"])
    with tempfile.TemporaryDirectory() as folder:
        x = samples(case, Path(folder) / "x.npy")
        data = Shuffled(
            x,
            case["batch"],
            flip=case.get("flip", False),
            steps=steps + 1,
            transform=lambda batch: datasets.as_input(flow, batch) if flow.discrete else batch,
        )
        times_alone = [(time.perf_counter(), data[i])[0] for i in range(steps + 1)]
        alone = np.median(np.diff(times_alone))
        flow.compile(keras.optimizers.Adam(1e-3))
        stamps = Stamps()
        flow.fit(data, shuffle=False, verbose=0, callbacks=[stamps])
    times = in_order([stamps.done[i][0] for i in range(steps + 1)])
    return {"alone_s": alone, "step_s": float(np.median(np.diff(times)))}


def samples(case, path):
    """Noise, in memory or mapped from a file."""
    generator, shape = np.random.default_rng(0), (case["rows"], *case["shape"])
    if case["dtype"] == "uint8":
        x = generator.integers(0, 256, shape, "uint8")
    else:
        x = generator.random(shape, case["dtype"])
    if not case.get("mapped"):
        return x
    np.save(path, x)
    return np.load(path, mmap_mode="r")


def scaling_flow(shape, dtype):
    x = keras.Input(shape, dtype=dtype)
    h = Dequantize(256)(x) if dtype == "uint8" else x
    return Flow(keras.Model(x, Scale()(h)))


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
