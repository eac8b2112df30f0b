"""IDF (1905.07376) on MNIST: exact bits/dim of a lossless compressor.

The default model is small: an hour of one CPU core. The last --holdout of the training pictures
choose the best epoch. Bits/dim are reported on the 10,000 test pictures: no noise is added, so they
are exact, and a coder reaches them. metrics.json has them beside the sizes of the same pictures as
PNG, WebP, JPEG XL and xz. Pictures and the model go to --out.

Grids have a temperature of 0.7. At 1 about every second digit has an outlier: each mixture has a
broad part of weight 2^-10, and there are 784 numbers.
"""

from keras_flows.recipes.parts.idf_options import SETTINGS, add_idf_options, build_idf
from keras_flows.recipes.parts.lossless_sizes import compared
from keras_flows.training.image_data import mnist
from keras_flows.training.image_run import image_parser, train_on_images
from keras_flows.training.script import script

NAME = "idf_mnist"


def parser():
    p = image_parser(
        __doc__,
        NAME,
        epochs=30,
        batch_size=32,
        learning_rate=3e-3,
        schedule="cosine",
        rows=10,
        columns=10,
        temperature=0.7,
        holdout=500,
        steps_per_epoch=500,
        warmup=100,
        ema=0.998,
    )
    add_idf_options(
        p, level=2, depth=1, hidden=32, blocks=3, parts=8, mixture=3, prior_hidden=96, norm="none"
    )
    return p


def build(args):
    return build_idf(args, (28, 28, 1))


@script(NAME, parser)
def main(args):
    data = mnist(args)
    train_on_images(NAME, args, data, lambda: build(args), SETTINGS, more_metrics=compared(args))
