"""IAF (1606.04934) as the posterior of a variational autoencoder on MNIST.

The model is that of section 6.1, with two differences: the networks are dense and not
convolutional, and the scale of a step is exp(s) and not a gate. MNIST is binarised anew in each
epoch.

Trains two models that differ only in the posterior: a diagonal Gaussian and IAF. The last
--holdout training pictures choose each model's best epoch. The test pictures are binarised once,
the same for both. On them it reports the variational lower bound (VLB) and log p(x), estimated
from --importance samples of z, in nats with standard errors over pictures. Writes to --out:
samples from each prior, reconstructions (rows of test pictures above theirs), loss.png, the models
and metrics.json.
"""

import argparse

import numpy as np

from keras_flows.core.cost import trainable_parameters
from keras_flows.files import write_json
from keras_flows.models.iaf_vae import POSTERIORS, VAE
from keras_flows.recipes.parts.vae_figures import draw, mean_and_error, measure, plot
from keras_flows.training.arguments import not_negative, positive
from keras_flows.training.callbacks import RollbackOnCollapse
from keras_flows.training.image_data import mnist_vectors
from keras_flows.training.image_run import add_holdout
from keras_flows.training.model_checkpoint import ModelCheckpoint, save, with_weights
from keras_flows.training.optimizers import make_optimizer, set_up
from keras_flows.training.options import run_parser
from keras_flows.training.run import METRICS, Run, provenance
from keras_flows.training.script import script

NAME = "iaf_mnist"
DIMS = 784
PUBLISHED = {
    "diagonal": {"vlb": -84.08, "log_likelihood": -81.08},
    "IAF, depth 2, width 320": {"vlb": -82.02, "log_likelihood": -79.77},
    "IAF, depth 8, width 1920": {"vlb": -80.80, "log_likelihood": -79.10},
}
MODEL = ("latent", "depth", "width", "order", "hidden", "free_bits")


def parser():
    p = run_parser(
        __doc__,
        NAME,
        epochs=16,
        batch_size=128,
        learning_rate=2e-3,
        schedule="cosine",
    )
    add = p.add_argument
    add("--posterior", choices=("both", *POSTERIORS), default="both", help="of the models to train")
    add("--latent", type=positive, default=32, help="dimensions of z")
    add("--depth", type=positive, default=2, help="IAF steps")
    add("--width", type=positive, default=320, help="of the two hidden layers of a step")
    add("--order", choices=("alternating", "random"), default="alternating", help="of z in a step")
    add("--hidden", type=positive, nargs="+", default=[500, 500], help="encoder's widths")
    add(
        "--free-bits",
        type=not_negative,
        default=0.0,
        help="nats of KL a dimension that do not count in training",
    )
    add_holdout(p, 5000)
    add("--importance", type=positive, default=128, help="samples of z for each test picture")
    add("--test-limit", type=positive, help="measure only so many test pictures")
    return p


def load(args):
    """Training, validation and test pictures, uint8 `(n, 784)`; test pictures are binarised."""
    data = mnist_vectors(args)
    test = data.test[: args.test_limit]
    white = np.random.default_rng(args.seed).random(test.shape) < test / 255
    return data.train, data.validation, 255 * white.astype("uint8")


def build(args, posterior):
    return VAE(
        DIMS,
        steps=args.depth,
        latent=args.latent,
        posterior=posterior,
        order=args.order,
        hidden=args.hidden,
        posterior_hidden=args.width,
        free_bits=args.free_bits,
        seed=args.seed,
    )


def train(args, posterior, pictures, validation):
    """The model of the best epoch and its run, which has a folder of its own in --out."""
    args = argparse.Namespace(**{**vars(args), "posterior": posterior, "out": args.out / posterior})
    settings = ("posterior", "holdout", *MODEL)
    run = Run(NAME, args, (pictures, validation), settings, checkpoint=ModelCheckpoint)
    model = run.flow(lambda: build(args, posterior), len(pictures))
    print(f"Posterior {posterior}: {trainable_parameters(model)} parameters.")
    model = run.train(model, pictures, validation, [RollbackOnCollapse()])
    return with_weights(model, model.get_weights()), run


@script(NAME, parser, parts=POSTERIORS)
def main(args):
    pictures, validation, test = load(args)
    names = POSTERIORS if args.posterior == "both" else (args.posterior,)
    if args.dry_run:
        return dry_run(args, names, pictures)
    runs, metrics, each = {}, {}, {}
    for name in names:
        model, run = train(args, name, pictures, validation)
        metrics[name], each[name] = measure(model, test, args.importance)
        metrics[name] |= describe(model, run)
        vlb, log_likelihood = (metrics[name][key] for key in ("vlb", "log_likelihood"))
        print(f"Posterior {name}: {vlb}, log p(x) {log_likelihood}")
        draw(args.out, name, model, test)
        save(model, args.out / f"{NAME}_{name}.keras")
        runs[name] = run
        write(args, metrics, each)
        plot(args.out, {name: run.checkpoint.history for name, run in runs.items()})
        if run.interrupt.interrupted:
            break
    print(f"Pictures, models and metrics are in {args.out}.")


def dry_run(args, names, pictures):
    set_up(args)
    for name in names:
        model = build(args, name)
        model.compile(make_optimizer(args, len(pictures)))
        batch = pictures[: args.batch_size]
        history = model.fit(batch, batch_size=args.batch_size, verbose=0).history
        print(f"Posterior {name}: one step done, {history}.")


def describe(model, run):
    history = run.checkpoint.history
    return {
        "parameters": trainable_parameters(model),
        "best_epoch": run.checkpoint.best_epoch,
        "interrupted": run.interrupt.interrupted,
        "seconds_of_training": sum(row["seconds"] for row in history),
        "settings": run.checkpoint.settings,
        "epochs": history,
    }


def write(args, posteriors, each):
    """Writes `metrics.json`; `each` has the figures of each test picture."""
    metrics = {**provenance(args), "posteriors": posteriors, "published": PUBLISHED}
    if len(each) == 2:
        diagonal, iaf = (each[name] for name in POSTERIORS)
        gains = {name: mean_and_error(iaf[name] - diagonal[name]) for name in iaf}
        metrics["iaf_above_diagonal"] = gains
    write_json(args.out / METRICS, metrics)
