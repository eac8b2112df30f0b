"""Measurements of `benchmarks.gpu` in a separate process; prints one line of JSON.

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
from benchmarks.training_loops import keras as keras_steps
from keras_flows.core.cost import multiply_adds
from keras_flows.core.repeats import stacking
from keras_flows.plots.grids import grid, write_png
from keras_flows.training.machine import device

RATE = 1e-4  # that of the blog series


def unrolled(**sizes):
    """The blog's Glow whose steps are traced one after another, not stacked in a loop."""
    with stacking(False):
        return glow_keras.blog(**sizes)


BUILDERS = {
    "flow": glow_keras.blog,
    "step": glow_keras.blog,
    "unrolled": unrolled,
    "floor": glow_keras.blog_floor,
}


def ceiling(size, sizes):
    """The device's rate of matrix products, and the multiply-adds of one pass for a picture."""
    count = multiply_adds(glow_keras.blog(**sizes).encoder)
    return {"matrix_size": size, "matrix_tflops": matrix_rate(size), "multiply_adds": count}


def matrix_rate(size, products=20, rounds=5):
    """TFLOP/s of products of random bfloat16 matrices, the median over rounds."""
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

    "flow" is the package's Glow in `fit`; "step" is its compiled step in a loop without `fit`,
    "unrolled" the same with unstacked steps; "by_hand" is the Glow of `glow_blog_raw_jax` in the
    same loop; "floor" is the networks alone in `fit`.
    """
    keras.utils.set_random_seed(0)
    policy = "mixed_bfloat16" if mixed else "float32"
    keras.config.set_dtype_policy(policy)
    shape = ((warmup + steps) * batch, *sizes["image_shape"])
    x = np.random.default_rng(0).integers(256, size=shape, dtype="uint8")
    if contender == "by_hand":
        run = by_hand(x, batch, sizes, mixed)
    elif contender in ("step", "unrolled"):
        run = compiled_step(BUILDERS[contender](**sizes), x, batch)
    else:
        adam = {"learning_rate": RATE}
        run = keras_steps.measure(BUILDERS[contender], x, batch, sizes, adam, policy)
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

    from benchmarks.contenders import glow_blog_raw_jax

    dtype = jnp.bfloat16 if mixed else jnp.float32
    train, state, parameters = glow_blog_raw_jax.training(**sizes, dtype=dtype, rate=RATE)
    return {**loop(train, state, x, batch), "parameters": parameters}


def compiled_step(flow, x, batch):
    """The step that Keras compiles for `fit` on JAX, in the loop of `glow_blog_raw_jax`."""
    import jax

    flow.compile(keras.optimizers.Adam(RATE))
    flow.optimizer.build(flow.trainable_variables)

    def train(state, pixels):
        logs, state = flow.train_step(state, (pixels,))
        return state, logs["loss"]

    run = loop(jax.jit(train, donate_argnums=0), keras_steps.jax_state(flow), x, batch)
    # Keras reports the mean of all steps so far.
    means = np.arange(1, len(run["losses"]) + 1) * run["losses"]
    run["losses"] = np.diff(means, prepend=0).tolist()
    return {**run, "parameters": sum(int(np.prod(w.shape)) for w in flow.trainable_weights)}


def loop(train, state, x, batch):
    """When each step ended, its loss, and XLA's cost analysis of the compiled step.

    Each step is started before the loop waits for the previous one, so that the device is busy.
    """
    times, losses, previous = [time.perf_counter()], [], None
    compiled = train.lower(state, x[:batch]).compile()
    for i in range(0, len(x), batch):
        state, loss = compiled(state, x[i : i + batch])
        if previous is not None:
            losses.append(float(previous))
            times.append(time.perf_counter())
        previous = loss
    losses.append(float(previous))
    times.append(time.perf_counter())
    cost = compiled.cost_analysis() or {}
    compiled_cost = {
        "tflop": cost.get("flops", 0) / 1e12,
        "gib": cost.get("bytes accessed", 0) / 2**30,
    }
    return {"times": times, "losses": losses, "compiled": compiled_cost}


def grids(model, out, temperatures, rows, columns):
    """Grids of the same latent draws at each temperature, from a saved flow."""
    flow = keras.models.load_model(model)
    for t in temperatures:
        samples = flow.sample(rows * columns, t, seed=0)
        picture = grid(samples, rows, columns, levels=flow.levels)
        write_png(Path(out) / f"grid_{t}.png", picture)
    return {"temperatures": temperatures}


MEASUREMENTS = {f.__name__: f for f in (ceiling, steps, grids)}

if __name__ == "__main__":
    task = json.loads(sys.argv[1])
    figures = MEASUREMENTS[task.pop("what")](**task)
    print(json.dumps({**figures, **device(), "backend": keras.backend.backend()}))
