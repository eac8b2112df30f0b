"""Glow (1807.03039) on CIFAR-10: the paper's configuration, 3.35 bits/dim.

CIFAR-10 is Keras' own, or --data, an npz in the same layout. The last --holdout of the 50,000
training pictures choose the epoch; bits/dim are reported on the 10,000 test pictures. Pictures
and metrics.json go to --out.
"""

from keras_flows.recipes.parts import glow_options
from keras_flows.training import common, images
from keras_flows.training.script import script

NAME = "glow_cifar10"


def parser():
    p = images.parser(
        __doc__,
        NAME,
        epochs=250,
        batch_size=64,
        learning_rate=None,
        rows=10,
        columns=10,
        temperature=1.0,
        holdout=2000,
        data=common.CIFAR10,
    )
    glow_options.add(p, level=3)
    return p


def build(args):
    return glow_options.build(args, (32, 32, 3))


@script(NAME, parser, complete=glow_options.complete)
def main(args):
    same = glow_options.SAME
    images.reproduce(NAME, args, images.cifar10(args), lambda: build(args), same, flip=True)
