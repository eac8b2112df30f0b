"""IDF (1905.07376) on MNIST: exact bits/dim of a lossless compressor.

The default model is small: an hour of one CPU core. The last --holdout of the training pictures
choose the best epoch. Bits/dim are reported on the 10,000 test pictures: no noise is added, so they
are exact, and a coder reaches them. Pictures and metrics.json go to --out.
"""

from keras_flows.recipes.parts.idf_options import SETTINGS, add_idf_options, build_idf
from keras_flows.training.image_data import mnist
from keras_flows.training.image_run import image_parser, train_on_images
from keras_flows.training.script import script

NAME = "idf_mnist"


def parser():
    p = image_parser(
        __doc__,
        NAME,
        epochs=30,
        batch_size=64,
        learning_rate=2e-3,
        rows=10,
        columns=10,
        temperature=1.0,
        holdout=2000,
        optimizer="adamax",
        schedule="cosine",
        warmup=200,
    )
    add_idf_options(p, level=2, depth=4, hidden=64, blocks=4, parts=4, mixture=3)
    return p


def build(args):
    return build_idf(args, (28, 28, 1))


@script(NAME, parser)
def main(args):
    train_on_images(NAME, args, mnist(args), lambda: build(args), SETTINGS)
