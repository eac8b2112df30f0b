"""Measures the memory of training steps in this process; prints one line of JSON.

Run by `benchmarks.memory`: `python -m benchmarks.workers.memory '{"sizes": {...}, ...}'`.
"""

import json
import sys
import threading
import time

import numpy as np


class Peak(threading.Thread):
    """The largest resident memory since the start of this thread, sampled every millisecond."""

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
    """Peak bytes of steps of one picture and of a batch, and seconds a step.

    Each peak is taken after a first step, which traces and compiles.
    """
    import keras

    from benchmarks.contenders.glow_keras import flow as build

    class Watch(keras.callbacks.Callback):
        """Measures memory and time from the end of the first step on."""

        def on_train_begin(self, logs=None):
            self.peak, self.times = Peak(), []

        def on_train_batch_end(self, batch, logs=None):
            float(logs["loss"])  # waits for the step
            self.times.append(time.perf_counter())
            if not batch:
                self.peak.start()

        def on_train_end(self, logs=None):
            self.peak.running = False

    keras.utils.set_random_seed(0)
    flow = build(**sizes)
    flow.backprop = backprop
    flow.compile(keras.optimizers.Adam(1e-5))
    x = np.random.default_rng(0).integers(
        256, size=((1 + steps) * batch, *sizes["image_shape"]), dtype="uint8"
    )
    single, full = Watch(), Watch()
    flow.fit(x[: 1 + steps], batch_size=1, verbose=0, callbacks=[single])
    flow.fit(x, batch_size=batch, verbose=0, callbacks=[full])
    return {
        "peak": full.peak.bytes,
        "held": single.peak.bytes,
        "weights": 4 * flow.count_params(),
        "step_s": float(np.median(np.diff(full.times))),
        "planned": planned(flow, x[:batch], x[:1]) if keras.backend.backend() == "jax" else None,
    }


def planned(flow, batch, picture):
    """Bytes that XLA plans for temporaries of a step on a batch, minus those on one picture."""
    import jax

    from benchmarks.training_loops.keras import jax_state

    state = jax_state(flow)
    step = jax.jit(flow.train_step, donate_argnums=0)
    plans = [step.lower(state, (x,)).compile().memory_analysis() for x in (batch, picture)]
    return plans[0].temp_size_in_bytes - plans[1].temp_size_in_bytes


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
