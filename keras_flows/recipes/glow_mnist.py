"""Glow (1807.03039) on MNIST, without padding; the paper has 1.05 bits/dim.

The default model trains for half an hour on two CPU cores: 2 scales of 8 affine steps. The last
--holdout of the training pictures choose the best epoch. Bits/dim are reported on the 10,000 test
pictures. With --classes the flow is class-conditional, and each row of a grid is one digit.
Pictures and metrics.json go to --out.
"""

from keras_flows.recipes.parts.glow_options import (
    SETTINGS,
    add_glow_options,
    build_glow,
    complete_glow,
)
from keras_flows.training.image_data import mnist
from keras_flows.training.image_run import image_parser, train_on_images
from keras_flows.training.script import script

NAME = "glow_mnist"


def parser():
    p = image_parser(
        __doc__,
        NAME,
        epochs=10,
        batch_size=32,
        learning_rate=None,
        rows=10,
        columns=10,
        temperature=0.7,
        holdout=2000,
        schedule="cosine",
    )
    add_glow_options(p, level=2, depth=8, hidden=64, learning_rate=1.5e-2, warmup=500)
    p.add_argument("--classes", action="store_true", help="a density for each digit")
    return p


def build(args):
    return build_glow(args, (28, 28, 1), classes=10 if args.classes else None)


@script(NAME, parser, complete=complete_glow)
def main(args):
    settings = (*SETTINGS, "classes")
    train_on_images(NAME, args, mnist(args, args.classes), lambda: build(args), settings)
