"""Residual flow (1906.02735) on CIFAR-10: the paper's configuration, 3.28 bits/dim.

The defaults are for a GPU: three levels of 16 blocks with networks of 512 channels, and 4 dense
blocks. CIFAR-10 is Keras' download, or --data, an npz in the same layout. The last --holdout of the
50,000 training pictures choose the best epoch. Bits/dim are reported on the 10,000 test pictures,
with the standard error of their estimate. Pictures and metrics.json go to --out.
"""

from keras_flows.recipes.parts.residual_options import (
    SETTINGS,
    add_residual_options,
    build_residual,
    residual_metrics,
)
from keras_flows.training.image_data import cifar10
from keras_flows.training.image_run import image_parser, train_on_images
from keras_flows.training.options import CIFAR10
from keras_flows.training.script import script

NAME = "residual_cifar10"


def parser():
    p = image_parser(
        __doc__,
        NAME,
        epochs=300,
        batch_size=64,
        learning_rate=1e-3,
        rows=10,
        columns=10,
        temperature=1.0,
        holdout=2000,
        data=CIFAR10,
        warmup=1000,
        clip=1.0,
        beta_2=0.99,
        ema=0.999,
    )
    add_residual_options(
        p,
        levels=3,
        squeezes=0,
        depth=16,
        dense_depth=4,
        hidden=512,
        lipschitz=0.94,
        activation="lipswish",
        alpha=0.05,
        log_det="roulette",
        terms=None,
        eval_terms=20,
        eval_probes=2,
    )
    return p


def build(args):
    return build_residual(args, (32, 32, 3))


@script(NAME, parser)
def main(args):
    options = {"flip": True, "more_metrics": residual_metrics}
    train_on_images(NAME, args, cifar10(args), lambda: build(args), SETTINGS, **options)
