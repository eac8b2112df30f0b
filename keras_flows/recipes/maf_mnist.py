"""MAF (1705.07057) on MNIST, in logit space, with or without classes.

As in the paper: pixels are (x + u)/256 and then logits with --alpha; 5 steps with a hidden layer
of 1024; the order is reversed from step to step; batch normalisation. --mixture 10 is MAF MoG.
With --classes there is a density for each digit, and each row of a grid is one digit.

The last --holdout of the training pictures choose the best epoch. On the 10,000 test pictures it
reports bits/dim and, as the paper does, the log-likelihood of the logits in nats. Sampling takes
one pass for each pixel. Pictures and metrics.json go to --out.
"""

import keras
import numpy as np

from keras_flows import invert
from keras_flows.core.ledger import Ledger
from keras_flows.layers import Reshape
from keras_flows.models import MAF
from keras_flows.training.arguments import positive, share
from keras_flows.training.image_data import mnist
from keras_flows.training.image_run import image_parser, train_on_images
from keras_flows.training.script import script

NAME = "maf_mnist"
PUBLISHED = {"MAF(5)": -1300.5, "MAF MoG(5)": -1100.3}
SETTINGS = ("classes", "steps", "hidden", "mixture", "alpha", "order", "norm")


def parser():
    p = image_parser(
        __doc__,
        NAME,
        epochs=20,
        batch_size=100,
        learning_rate=1e-3,
        rows=10,
        columns=10,
        temperature=1.0,
        holdout=5000,
        schedule="cosine",
    )
    add = p.add_argument
    add("--classes", action="store_true", help="a density for each digit")
    add("--steps", type=positive, default=5, help="autoregressive layers")
    add("--hidden", type=positive, nargs="+", default=[1024], help="widths of each MADE")
    add("--mixture", type=positive, help="Gaussians of a mixture as the base: MAF MoG")
    add("--order", choices=("alternating", "random"), default="alternating", help="of pixels")
    add("--norm", choices=("batch", "actnorm"), default="batch", help="between layers")
    add("--alpha", type=share, default=1e-6, help="logits are of alpha + (1 - 2 alpha) x")
    return p


def build(args):
    return MAF(
        (28, 28, 1),
        steps=args.steps,
        order=args.order,
        norm=args.norm,
        hidden=tuple(args.hidden),
        alpha=args.alpha,
        classes=10 if args.classes else None,
        mixture=args.mixture,
        seed=args.seed,
    )


def logit_likelihood(flow, test, batch_size):
    """Mean log-likelihood of the logits in nats, with two standard errors and the paper's."""
    pixels, *labels = flow.encoder.inputs
    logits = next(v.output for v in flow.encoder.layers if isinstance(v, Reshape))
    both = keras.Model([pixels, *labels], [logits, flow.encoder.outputs[0]])
    to_pixels = invert(keras.Model(pixels, logits))
    parts, values = test if flow.conditional else [test], []
    for i in range(0, len(parts[0]), batch_size):
        batch = [keras.ops.convert_to_tensor(part[i : i + batch_size]) for part in parts]
        with Ledger() as encoding:
            y, z = both(batch)
        with Ledger() as decoding:
            to_pixels(y)
        nats = flow._log_prior(z, batch) + encoding.total() + decoding.total()
        values.append(keras.ops.convert_to_numpy(nats))
    values = np.concatenate(values)
    return {
        "logit_log_likelihood": float(values.mean()),
        "two_standard_errors": float(2 * values.std() / np.sqrt(len(values))),
        "published_unconditional": PUBLISHED,
    }


@script(NAME, parser)
def main(args):
    data, measure = mnist(args, args.classes), logit_likelihood
    train_on_images(NAME, args, data, lambda: build(args), SETTINGS, more_metrics=measure)
