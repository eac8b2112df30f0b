"""Residual flow (1906.02735) on MNIST; the paper has 0.97 bits/dim.

The default model is small: pictures are squeezed twice, to 7x7x16, and 8 blocks have networks of 64
channels. It trains on a series of four terms; bits/dim are estimated without bias. --minutes and
--resume train it in parts, since the rate is constant and the saved weights are averages.

The last --holdout of the training pictures choose the best epoch. Bits/dim are reported on the
10,000 test pictures, with the standard error of their estimate. Pictures and metrics.json go to
--out.
"""

from keras_flows.recipes.parts.residual_options import (
    SETTINGS,
    add_residual_options,
    build_residual,
    residual_metrics,
)
from keras_flows.training.image_data import mnist
from keras_flows.training.image_run import image_parser, train_on_images
from keras_flows.training.script import script

NAME = "residual_mnist"


def parser():
    p = image_parser(
        __doc__,
        NAME,
        epochs=20,
        batch_size=32,
        learning_rate=2e-3,
        rows=10,
        columns=10,
        temperature=1.0,
        holdout=500,
        warmup=200,
        beta_2=0.99,
        ema=0.998,
    )
    add_residual_options(
        p,
        levels=1,
        squeezes=2,
        depth=8,
        dense_depth=0,
        hidden=64,
        lipschitz=0.9,
        activation="lipswish",
        alpha=1e-6,
        log_det="series",
        terms=4,
        eval_terms=3,
        eval_probes=1,
    )
    return p


def build(args):
    return build_residual(args, (28, 28, 1))


@script(NAME, parser)
def main(args):
    options = {"more_metrics": residual_metrics}
    train_on_images(NAME, args, mnist(args), lambda: build(args), SETTINGS, **options)
