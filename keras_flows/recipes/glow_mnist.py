"""Glow (1807.03039) on MNIST, without padding; the paper has 1.05 bits/dim.

The default is small enough for half an hour on two CPU cores: 2 scales of 8 affine steps. The
last --holdout of the training pictures choose the epoch; bits/dim are reported on the 10,000
test pictures. With --classes the flow is class-conditional, and grids have a row a digit.
Pictures and metrics.json go to --out.
"""

from keras_flows.data import datasets
from keras_flows.recipes.parts import glow_options
from keras_flows.training import images
from keras_flows.training.script import script

NAME = "glow_mnist"


def parser():
    p = images.parser(
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
    glow_options.add(p, level=2, depth=8, hidden=64, learning_rate=1.5e-2, warmup=500)
    p.add_argument("--classes", action="store_true", help="a density for each digit")
    return p


def load(args):
    (train, y_train), (test, y_test) = datasets.mnist(args.data, args.classes)
    labels = (y_train, y_test) if args.classes else None
    return images.held_out(train[..., None], test[..., None], args, labels)


def build(args):
    return glow_options.build(args, (28, 28, 1), classes=10 if args.classes else None)


@script(NAME, parser, complete=glow_options.complete)
def main(args):
    same = (*glow_options.SAME, "classes")
    images.reproduce(NAME, args, load(args), lambda: build(args), same)
