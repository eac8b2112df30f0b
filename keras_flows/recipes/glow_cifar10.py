"""Glow (1807.03039) on CIFAR-10: the paper's configuration, 3.35 bits/dim.

CIFAR-10 is Keras' download, or --data, an npz in the same layout. The last --holdout of the 50,000
training pictures choose the best epoch. Bits/dim are reported on the 10,000 test pictures.
Pictures and metrics.json go to --out.
"""

from keras_flows.recipes.parts.glow_options import (
    SETTINGS,
    add_glow_options,
    build_glow,
    complete_glow,
)
from keras_flows.training.image_data import cifar10
from keras_flows.training.image_run import image_parser, train_on_images
from keras_flows.training.options import CIFAR10
from keras_flows.training.script import script

NAME = "glow_cifar10"


def parser():
    p = image_parser(
        __doc__,
        NAME,
        epochs=250,
        batch_size=64,
        learning_rate=None,
        rows=10,
        columns=10,
        temperature=1.0,
        holdout=2000,
        data=CIFAR10,
    )
    add_glow_options(p, level=3)
    return p


def build(args):
    return build_glow(args, (32, 32, 3))


@script(NAME, parser, complete=complete_glow)
def main(args):
    train_on_images(NAME, args, cifar10(args), lambda: build(args), SETTINGS, flip=True)
