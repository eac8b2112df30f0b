"""NICE (1410.8516) on MNIST: the blog series' configuration, or the paper's.

Writes to --out: a grid of samples after every epoch; at the end grid.png, temperature.png,
interpolation.png, scales.png, loss.png, nice_mnist.keras and metrics.json. The last --holdout
training pictures choose the best epoch. Losses are negative log-likelihoods in nats a picture,
with all constants; `blog_loss` leaves out the normal's constant, 720.45, as the blog does. Ctrl-C
stops training and still writes the model and its pictures.
"""

import math

import keras
import numpy as np
from keras import ops

from keras_flows.data import datasets
from keras_flows.layers import Scale
from keras_flows.models import NICE
from keras_flows.plots import figures
from keras_flows.plots.curves import plot_losses
from keras_flows.plots.grids import grid, temperature_sweep, write_png
from keras_flows.training.arguments import finite, not_negative, positive
from keras_flows.training.callbacks import RollbackOnCollapse, SampleGrid
from keras_flows.training.image_data import mnist_vectors
from keras_flows.training.image_run import add_holdout
from keras_flows.training.options import run_parser
from keras_flows.training.run import Run
from keras_flows.training.script import script

NAME = "nice_mnist"
DIMS = 784
NORMAL_CONSTANT = 0.5 * DIMS * math.log(2 * math.pi)


class BlogLoss(keras.callbacks.Callback):
    """Adds the blog's loss to the logs: the training loss without the normal's constant."""

    def on_epoch_end(self, epoch, logs=None):
        logs["blog_loss"] = logs["loss"] - NORMAL_CONSTANT


def parser():
    p = run_parser(__doc__, NAME, epochs=30, batch_size=128, learning_rate=1e-3)
    add = p.add_argument
    add("--variant", choices=("blog", "paper"), default="blog", help="configuration, see NICE")
    add("--couplings", type=positive, default=4, help="coupling layers")
    add("--hidden", type=positive, nargs="+", default=[1000] * 5, help="widths of a network")
    add(
        "--scale-init",
        default="glorot_normal",
        help="of the last layer's k: a Keras initializer, or `data` for the first batch's scale",
    )
    add(
        "--scale-factor",
        type=finite,
        default=1.0,
        help="the last layer is exp(factor * k); above 1, k is learned faster",
    )
    add_holdout(p, 5000)
    add("--temperature", type=not_negative, default=0.75, help="of the sample grids")
    return p


def build(args):
    return NICE(
        DIMS,
        steps=args.couplings,
        variant=args.variant,
        scale_init=args.scale_init,
        scale_factor=args.scale_factor,
        hidden=tuple(args.hidden),
        seed=args.seed,
    )


@script(NAME, parser)
def main(args):
    data = mnist_vectors(args)
    settings = ("variant", "couplings", "hidden", "scale_init", "scale_factor", "holdout")
    run = Run(NAME, args, data.arrays, settings)
    flow = run.flow(lambda: build(args), data.size)
    sets = (data.train, data.validation, data.test)
    train, validation, test = (datasets.as_input(flow, x) for x in sets)
    flow.summary()
    if args.dry_run:
        flow.fit(train[: args.batch_size], batch_size=args.batch_size, verbose=0)
        print(f"One step done, loss {flow.evaluate(test[:1000], verbose=0, return_dict=True)}.")
        return
    callbacks = [SampleGrid(args.out / "epoch_{epoch:03d}.png", args.temperature)]
    callbacks += [RollbackOnCollapse(), *([BlogLoss()] if args.variant == "blog" else [])]
    flow = run.train(flow, train, validation, callbacks)
    draw(args.out, flow, test, args.temperature)
    plot(args.out, flow, run.checkpoint)
    metrics = measure(flow, {"train": train[:10000], "validation": validation, "test": test})
    run.finish(flow, metrics)
    print(f"Test: {metrics['test']}\nPictures, model and metrics are in {args.out}.")


def measure(flow, sets):
    """Likelihoods of each set, and the reconstruction error of test pictures."""
    test = sets["test"][:1000]
    error = np.abs(flow.reconstruct(test).astype("float64") - test).max()
    return {
        **{name: likelihoods(flow, x) for name, x in sets.items()},
        "reconstruction_error": float(error),
    }


def likelihoods(flow, x):
    """Mean NLL a picture in nats, with and without training noise, and the variant's metrics."""
    if flow.discrete:
        noisy = flow.log_prob(x)
        # The middle of a bin needs only its latent: NICE's log-det is the same for all inputs.
        log_det = flow.predict(x[:1], verbose=0)[1][0]
        middle = flow.prior.log_prob(ops.convert_to_tensor(flow.encode(x)))
        clean = ops.convert_to_numpy(middle) + log_det
        unit = DIMS * math.log(256)
        more = {
            "bits_per_dim": float(-noisy.mean() / (DIMS * math.log(2))),
            "log_likelihood_of_unit_interval": float(noisy.mean() + unit),
        }
    else:
        noise = np.random.default_rng(0).uniform(-0.01, 0, x.shape).astype("float32")
        noisy, clean = flow.log_prob(x + noise), flow.log_prob(x)
        more = {
            "blog_loss": float(-noisy.mean() - NORMAL_CONSTANT),
            "blog_loss_without_noise": float(-clean.mean() - NORMAL_CONSTANT),
        }
    nll, nll_without_noise = float(-noisy.mean()), float(-clean.mean())
    return {"pictures": len(x), "nll": nll, "nll_without_noise": nll_without_noise, **more}


def draw(out, flow, test, temperature):
    """Writes the sample grid, samples at temperatures from 0 to 1, and interpolations."""
    write_png(out / "grid.png", grid(flow.sample(225, temperature, seed=0), 15, 15))
    temperatures = np.linspace(0, 1, 9)
    sweep = temperature_sweep(flow, temperatures, columns=15)
    write_png(out / "temperature.png", grid(sweep, len(temperatures), 15))
    lines = flow.interpolate(test[:10], test[10:20], steps=15)
    write_png(out / "interpolation.png", grid(lines.reshape(-1, DIMS), 10, 15))


def plot_scales(path, spreads):
    """Standard deviations of the latent dimensions in data space, largest first."""
    figure, axes = figures.graph(
        "What the latent dimensions carry", "dimension, sorted", "exp(-k), spread before scaling"
    )
    axes.semilogy(sorted(spreads, reverse=True))
    figures.write(figure, path)


def plot(out, flow, checkpoint):
    """Loss curve and spectrum of the scales, if matplotlib is there."""
    scale = next(layer for layer in flow.encoder.layers if isinstance(layer, Scale))
    try:
        spreads = np.exp(-ops.convert_to_numpy(scale.log_scale)).ravel()
        plot_scales(out / "scales.png", spreads)
        if checkpoint.history:
            title = "NICE on MNIST"
            plot_losses(out / "loss.png", checkpoint.history, title, checkpoint.best_epoch)
    except ImportError:
        print("No loss.png and scales.png: they need matplotlib, in the extra `plot`.")
