"""Trains small flows on one and on several virtual devices of the CPU, in a separate process.

`python -m tests.devices_worker CASE...` prints a line of JSON for each case: its results on one
device and on several, four with `DataParallel` on JAX, two with `MirroredStrategy` on TensorFlow.
"""

import contextlib
import json
import os
import sys
import tempfile

BACKEND = os.environ["KERAS_BACKEND"]
if BACKEND == "jax":
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
else:
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import ops  # noqa: E402

from keras_flows import Flow, layers  # noqa: E402
from keras_flows.data.shuffled import Shuffled  # noqa: E402
from keras_flows.models import VAE, Glow  # noqa: E402
from keras_flows.recipes import nice_mnist  # noqa: E402
from keras_flows.training.callbacks import (  # noqa: E402
    AveragedWeights,
    Checkpoint,
    RollbackOnCollapse,
)
from tests.multiscale import smooth_pictures  # noqa: E402


class One:
    """One device. `use` is the scope of a case, `build` that of building and compiling flows."""

    use = build = staticmethod(contextlib.nullcontext)


class Several(One):
    def __init__(self):
        if BACKEND == "jax":
            self.use = keras.distribution.DataParallel().scope
        else:
            self.build = tf.distribute.MirroredStrategy().scope


def data(n, seed=0):
    """Rows of four dependent numbers, and their classes."""
    x = np.random.default_rng(seed).normal(size=(n, 4)) @ np.triu(np.ones((4, 4)))
    return [x.astype("float32"), np.arange(n) % 3]


def network():
    """The network of a coupling that is conditioned on the class, with a penalty."""
    inputs = [keras.Input((2,)), keras.Input((3,))]
    h = keras.layers.Dense(8, "tanh", kernel_regularizer=keras.regularizers.L2(0.05))(
        keras.layers.Concatenate()(inputs)
    )
    return keras.Model(inputs, keras.layers.Dense(4)(h))


def small_flow(place, optimizer=None):
    """An actnorm and two affine couplings conditioned on the class; no noise."""
    keras.utils.set_random_seed(3)
    with place.build():
        x, label = keras.Input((4,)), keras.Input((), dtype="int32")
        h, context = layers.Actnorm()(x), layers.ClassVector(3)(label)
        for flip in (False, True):
            h = layers.Coupling(network(), "affine", flip=flip)([h, context])
        flow = Flow(keras.Model([x, label], h))
        # With Adam, gradients multiplied by the number of devices would go unnoticed.
        flow.compile(optimizer or keras.optimizers.SGD(0.02, momentum=0.9))
    return flow


class Steps(keras.callbacks.Callback):
    """The mean loss of the epoch so far, after each step."""

    def __init__(self):
        super().__init__()
        self.losses = []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(float(logs["loss"]))


def fit(flow, x, callbacks=(), **options):
    steps = Steps()
    options = {"batch_size": 16, "shuffle": False, "verbose": 0, **options}
    if isinstance(x, Shuffled):
        del options["batch_size"]
    flow.fit(x, callbacks=[steps, *callbacks], **options)
    return steps.losses


def weights(flow):
    return np.concatenate([np.ravel(w) for w in flow.get_weights()]).tolist()


@contextlib.contextmanager
def without_noise():
    drawn = {name: getattr(keras.random, name) for name in ("uniform", "normal")}
    for name in drawn:
        setattr(keras.random, name, lambda shape, dtype, seed: ops.full(shape, 0.5, dtype))
    yield
    for name, draw in drawn.items():
        setattr(keras.random, name, draw)


def training(place):
    """Labels, a penalty, and a smaller last batch."""
    flow = small_flow(place)
    return {"losses": fit(flow, data(40), epochs=2), "weights": weights(flow)}


def shuffled(place):
    """A data set with labels whose batches threads make, and held-out data."""
    flow, (x, labels) = small_flow(place), data(40)
    batches = Shuffled(x, 16, context=labels, workers=2)
    held_out = {"validation_data": (data(16, 1),), "callbacks": [batches.callback()]}
    losses = fit(flow, batches, epochs=2, **held_out)
    held_out = flow.history.history["val_loss"]
    return {"losses": losses, "held_out": held_out, "weights": weights(flow)}


def uneven(place):
    """Errors for batches that the devices do not divide, such as the last one of 17 samples."""
    if type(place) is One:
        return None
    flow, results = small_flow(place), {}
    for name, call in {
        "first": lambda: fit(flow, data(30), batch_size=15),
        "held_out": lambda: fit(flow, data(16), validation_data=(data(15),)),
        "evaluate": lambda: flow.evaluate(data(15), verbose=0),
        "shuffled": lambda: fit(flow, Shuffled(data(17)[0], 16, context=data(17)[1])),
        "last": lambda: fit(flow, data(17)),
    }.items():
        try:
            results[name] = call()
        except ValueError as error:
            results[name] = str(error)
    return {**results, "weights": weights(flow)}


def picture_flow(place, rate=1e-4):
    keras.utils.set_random_seed(0)
    with place.build():
        flow = Glow((4, 4, 1), levels=1, steps=1, variant="paper", hidden=4, seed=0)
        flow.compile(keras.optimizers.SGD(rate))
    return flow


def glow(place):
    """Pictures, bits/dim, actnorms in chains and networks initialized from the first batch."""
    flow, x = picture_flow(place), smooth_pictures(32, (4, 4, 1))
    with without_noise():
        losses = fit(flow, x) + flow.evaluate(x, batch_size=16, verbose=0)
    return {"losses": losses, "weights": weights(flow), "adapted": not flow.needs_adapt}


def noise(place):
    """Epochs of the same flow with noise, and the noise of eight pixels that are 0."""
    flow, x = picture_flow(place, 1e-3), smooth_pictures(32, (4, 4, 1))
    losses = flow.fit(x, batch_size=16, epochs=4, shuffle=False, verbose=0).history["loss"]
    with place.build():
        pixel = keras.Input((1,), dtype="uint8")
        only_noise = Flow(keras.Model(pixel, layers.Dequantize(seed=0)(pixel)))
    drawn = only_noise.predict(np.zeros((8, 1), "uint8"), verbose=0)[0] * 256
    return {"losses": losses, "drawn": np.ravel(drawn).tolist()}


def calls(place):
    """Results of a trained flow for nine samples, and the path of its file."""
    flow, (x, labels), path = small_flow(place), data(9, 2), tempfile.mkdtemp() + "/flow.keras"
    fit(flow, data(32))
    flow.save(path)
    tensor = ops.convert_to_tensor(x)
    results = {
        "sample": flow.sample(9, seed=1, context=labels),
        "log_prob": flow.log_prob(x, labels),
        "of_a_tensor": ops.convert_to_numpy(flow.log_prob(tensor, labels)),
        "in_batches": flow.log_prob(x, labels, batch_size=2),
        "predict": flow.predict([x, labels], verbose=0)[0],
        "round_trip": flow.reconstruct(x, labels),
        "evaluate": np.array(flow.evaluate(data(16), verbose=0)),
    }
    return {"path": path, **{name: value.tolist() for name, value in results.items()}}


class Spoil(keras.callbacks.Callback):
    """Sets the weights to NaN before the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            self.model.set_weights([np.nan * w for w in self.model.get_weights()])


def rollback(place):
    flow, callback = small_flow(place), RollbackOnCollapse()
    losses = fit(flow, data(32), epochs=3, callbacks=[Spoil(), callback])
    return {"losses": losses[:2] + losses[4:], "weights": weights(flow), "n": callback.rollbacks}


def averages(place):
    """Averaged weights and checkpoints: two epochs, resumed for one more."""
    folder, losses = tempfile.mkdtemp(), []
    for epochs in (2, 3):
        checkpoint = Checkpoint(folder, "loss")
        with place.build():
            flow, done = checkpoint.restore()
            adamw = keras.optimizers.AdamW(0.01, use_ema=True, ema_momentum=0.9)
            flow = flow or small_flow(place, adamw)
        callbacks = [AveragedWeights(resumed=done > 0), checkpoint]
        losses += fit(flow, data(32), callbacks, epochs=epochs, initial_epoch=done)
    best = checkpoint.best_flow(flow)
    return {"losses": losses, "weights": weights(best), "n": len(checkpoint.history)}


def batch_norm(place):
    """The running mean, which is that of all devices."""
    with place.build():
        x, norm = keras.Input((4,)), layers.BatchNormFlow(momentum=0.5)
        flow = Flow(keras.Model(x, norm(x)))
        flow.compile(keras.optimizers.SGD(0.01))
    fit(flow, data(40)[0])
    return {"mean": ops.convert_to_numpy(norm.mean).tolist()}


def vae(place):
    """A VAE, which has another loss."""
    keras.utils.set_random_seed(0)
    with place.build():
        model = VAE(6, steps=1, latent=2, hidden=(8,), posterior_hidden=4, free_bits=0.1, seed=0)
        model.compile(keras.optimizers.SGD(0.05))
    x = np.random.default_rng(0).integers(0, 256, (32, 6)).astype("uint8")
    with without_noise():
        return {"losses": fit(model, x), "weights": weights(model)}


def script(place):
    """A reproduction with `--devices`."""
    out = tempfile.mkdtemp()
    devices = "one" if type(place) is One else "all"
    small = ["--limit", "640", "--epochs", "2", "--hidden", "32", "--out", out]
    nice_mnist.main(["--devices", devices, *small])
    with open(f"{out}/metrics.json") as file:
        return {"losses": [row["loss"] for row in json.load(file)["epochs"]]}


def main(cases):
    places = {"one": One(), "several": Several()}
    for case in cases:
        results = {}
        for where, place in places.items():
            with place.use():
                results[where] = globals()[case](place)
        if case == "calls":
            paths = [values.pop("path") for values in results.values()]
            x = data(9, 2)
            for where, path in zip(places, paths):
                results[where]["loaded"] = keras.models.load_model(path).log_prob(*x).tolist()
        print(json.dumps({case: results}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
