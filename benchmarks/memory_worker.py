"""Measures the memory of training steps in this process; prints one line of JSON.

Run by `benchmarks.memory`: `python -m benchmarks.memory_worker '{"sizes": {...}, ...}'`.
"""

import json
import sys
import threading
import time

import numpy as np


class Peak(threading.Thread):
    """The largest resident memory since it started, looked at every millisecond."""

    def __init__(self):
        super().__init__(daemon=True)
        self.bytes, self.running = 0, True

    def run(self):
        while self.running:
            self.bytes = max(self.bytes, resident())
            time.sleep(0.001)


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def measure(sizes, batch, backprop, steps):
    """Peak bytes of steps less those of the model, its gradients and optimizer; seconds a step.

    What is held after a step of one picture, weights and Adam's moments, is
    subtracted, and once more the weights, for the gradients.
    """
    import keras

    from benchmarks.glow_keras import flow as build
    from benchmarks.keras_steps import Stamps, in_order

    keras.utils.set_random_seed(0)
    flow = build(**sizes)
    flow.backprop = backprop
    flow.compile(keras.optimizers.Adam(1e-5))
    x = np.random.default_rng(0).integers(
        256, size=((1 + steps) * batch, *sizes["image_shape"]), dtype="uint8"
    )
    flow.fit(x[:1], batch_size=1, verbose=0)
    weights = 4 * flow.count_params()
    held, peak = resident(), Peak()
    peak.start()
    stamps = Stamps()
    flow.fit(x, batch_size=batch, verbose=0, callbacks=[stamps])
    times = in_order([stamps.done[i][0] for i in range(1 + steps)])
    peak.running = False
    return {
        "peak": peak.bytes,
        "held": held,
        "weights": weights,
        "step_s": float(np.median(np.diff(times))),
    }


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
