"""What `benchmarks.gpu` measures in a process of its own, printed as one line of JSON.

`python -m benchmarks.workers.gpu '{"what": "grids", "model": "glow.keras", ...}'`.
"""

import json
import sys
import time
from pathlib import Path

import keras
import numpy as np
from keras import ops

from benchmarks.contenders import glow_keras
from benchmarks.steps import keras as keras_steps
from keras_flows.core.cost import multiply_adds
from keras_flows.plots.grids import grid, write_png
from keras_flows.training.machine import device

RATE = 1e-4  # the blog series'
BUILDERS = {"flow": glow_keras.blog, "step": glow_keras.blog, "floor": glow_keras.blog_floor}


def ceiling(size, sizes):
    """The device's rate of matrix products, and what `steps` needs of them for a picture."""
    needs = multiply_adds(glow_keras.blog(**sizes).encoder)
    return {"matrix_size": size, "matrix_tflops": matrix_rate(size), "multiply_adds": needs}


def matrix_rate(size, products=20, rounds=5):
    """TFLOP/s of products of bfloat16 matrices of random numbers, the median of some rounds."""
    generator = np.random.default_rng(0)
    draw = lambda scale: ops.cast(generator.normal(0, scale, (size, size)), "bfloat16")  # noqa: E731
    a, y, seconds = draw(size**-0.5), draw(1.0), []
    for _ in range(1 + rounds):
        start = time.perf_counter()
        for _ in range(products):
            y = ops.matmul(a, y)
        ops.convert_to_numpy(y[0, :1])  # waits for all of them
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 * products / float(np.median(seconds[1:])) / 1e12


def steps(contender, sizes, batch, steps, warmup, mixed):
    """Pictures a second of one contender's training steps after the warm-up, on random pictures.

    "flow" is the package's Glow through `fit`; "step" its compiled step in a
    loop without `fit`; "by_hand" the Glow of `glow_by_hand` in the same loop;
    "floor" the networks alone through `fit`.
    """
    keras.utils.set_random_seed(0)
    if mixed:
        keras.config.set_dtype_policy("mixed_bfloat16")
    shape = ((warmup + steps) * batch, *sizes["image_shape"])
    x = np.random.default_rng(0).integers(256, size=shape, dtype="uint8")
    if contender == "by_hand":
        run = by_hand(x, batch, sizes, mixed)
    elif contender == "step":
        run = compiled_step(BUILDERS[contender](**sizes), x, batch)
    else:
        run = keras_steps.measure(BUILDERS[contender], x, batch, sizes, {"learning_rate": RATE})
    times, losses = run["times"], run["losses"]
    return {
        "pictures_per_s": batch * steps / (times[-1] - times[warmup]),
        "first_step_s": times[1] - times[0],
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "parameters": run["parameters"],
        "compiled": run.get("compiled"),
    }


def by_hand(x, batch, sizes, mixed):
    from jax import numpy as jnp

    from benchmarks.contenders import glow_by_hand

    dtype = jnp.bfloat16 if mixed else jnp.float32
    train, state, parameters = glow_by_hand.training(**sizes, dtype=dtype, rate=RATE)
    return {**loop(train, state, x, batch), "parameters": parameters}


def compiled_step(flow, x, batch):
    """The step that Keras compiles for `fit` on JAX, called as `glow_by_hand`'s is."""
    import jax

    flow.compile(keras.optimizers.Adam(RATE))
    flow.optimizer.build(flow.trainable_variables)

    def train(state, pixels):
        logs, state = flow.train_step(state, (pixels,))
        return state, logs["loss"]

    run = loop(jax.jit(train, donate_argnums=0), keras_steps.jax_state(flow), x, batch)
    # Keras tells the mean of all steps so far.
    means = np.arange(1, len(run["losses"]) + 1) * run["losses"]
    run["losses"] = np.diff(means, prepend=0).tolist()
    return {**run, "parameters": sum(int(np.prod(w.shape)) for w in flow.trainable_weights)}


def loop(train, state, x, batch):
    """When each step was done, its loss, and what XLA says of the compiled step.

    The next step is asked for before the last one is waited for.
    """
    times, losses, last = [time.perf_counter()], [], None
    compiled = train.lower(state, x[:batch]).compile()
    for i in range(0, len(x), batch):
        state, loss = compiled(state, x[i : i + batch])
        for done in [] if last is None else [last]:
            losses.append(float(done))
            times.append(time.perf_counter())
        last = loss
    losses.append(float(last))
    times.append(time.perf_counter())
    cost = compiled.cost_analysis() or {}
    told = {"tflop": cost.get("flops", 0) / 1e12, "gib": cost.get("bytes accessed", 0) / 2**30}
    return {"times": times, "losses": losses, "compiled": told}


def grids(model, out, temperatures, rows, columns):
    """Grids of the same latent draws at each temperature, from a saved flow."""
    flow = keras.models.load_model(model)
    for t in temperatures:
        samples = flow.sample(rows * columns, t, seed=0)
        picture = grid(samples, rows, columns, levels=flow.levels)
        write_png(Path(out) / f"grid_{t}.png", picture)
    return {"temperatures": temperatures}


KNOWN = {f.__name__: f for f in (ceiling, steps, grids)}

if __name__ == "__main__":
    task = json.loads(sys.argv[1])
    figures = KNOWN[task.pop("what")](**task)
    print(json.dumps({**figures, **device(), "backend": keras.backend.backend()}))
