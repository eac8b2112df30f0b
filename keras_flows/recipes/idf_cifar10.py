"""IDF++ (2006.12459) on CIFAR-10: exact bits/dim of a lossless compressor, 3.26 in the paper.

CIFAR-10 is Keras' download, or --data, an npz in the same layout. The last --holdout of the 50,000
training pictures choose the best epoch. Bits/dim are exact and reported on the 10,000 test
pictures. IDF (1905.07376), 3.32 bits/dim in the paper, is --variant paper --depth 8 --blocks 12.
Pictures and metrics.json go to --out.
"""

from keras_flows.recipes.parts.idf_options import SETTINGS, add_idf_options, build_idf
from keras_flows.recipes.parts.lossless_sizes import compared
from keras_flows.training.image_data import cifar10
from keras_flows.training.image_run import image_parser, train_on_images
from keras_flows.training.options import CIFAR10
from keras_flows.training.script import script

NAME = "idf_cifar10"


def parser():
    p = image_parser(
        __doc__,
        NAME,
        epochs=500,
        batch_size=64,
        learning_rate=1e-3,
        rows=10,
        columns=10,
        temperature=1.0,
        holdout=2000,
        data=CIFAR10,
        optimizer="adamax",
        warmup=1000,
        ema=0.999,
    )
    add_idf_options(p, level=3, depth=4, hidden=512, blocks=8, mixture=None)
    return p


def build(args):
    return build_idf(args, (32, 32, 3))


@script(NAME, parser)
def main(args):
    data = cifar10(args)
    train_on_images(
        NAME, args, data, lambda: build(args), SETTINGS, flip=True, more_metrics=compared(args)
    )
