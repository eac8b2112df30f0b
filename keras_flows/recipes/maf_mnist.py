"""MAF (1705.07057) on MNIST, in logit space, with or without classes.

As in the paper: (x + u)/256, logits with --alpha, 5 steps of a hidden layer of 1024, order reversed
from step to step, batch normalisation; --mixture 10 is MAF MoG. The last --holdout of the training
pictures choose the epoch; on the 10,000 test pictures it reports bits/dim and, as the paper does,
the log-likelihood in nats of the logits. With --classes the density is one for each digit, and
grids have a row a digit. Samples go pixel by pixel. Pictures and metrics.json go to --out.
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
    add("--alpha", type=share, default=1e-6, help="of the logits")
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
    """Mean log-likelihood in nats of the logits, with two standard errors, beside the paper's."""
    pixels, *labels = flow.encoder.inputs
    logits = next(v.output for v in flow.encoder.layers if isinstance(v, Reshape))
    both = keras.Model([pixels, *labels], [logits, flow.encoder.outputs[0]])
    to_pixels = invert(keras.Model(pixels, logits))
    parts, found = test if flow.conditional else [test], []
    for i in range(0, len(parts[0]), batch_size):
        batch = [keras.ops.convert_to_tensor(part[i : i + batch_size]) for part in parts]
        with Ledger() as whole:
            y, z = both(batch)
        with Ledger() as back:
            to_pixels(y)
        nats = flow._log_prior(z, batch) + whole.total() + back.total()
        found.append(keras.ops.convert_to_numpy(nats))
    found = np.concatenate(found)
    return {
        "logit_log_likelihood": float(found.mean()),
        "two_standard_errors": float(2 * found.std() / np.sqrt(len(found))),
        "published_unconditional": PUBLISHED,
    }


@script(NAME, parser)
def main(args):
    data, measure = mnist(args, args.classes), logit_likelihood
    train_on_images(NAME, args, data, lambda: build(args), SETTINGS, more_metrics=measure)
