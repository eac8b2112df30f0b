"""TarFlow (2412.06329) on MNIST, with classes, guidance and denoising.

The default model has a million parameters and trains for half an hour on two CPU cores. The model
of the paper's notebook has 3.1 million (--channels 128 --blocks 4 --layers 4 is as large).
Gaussian noise is for samples. With --noise uniform the flow has bits/dim and takes logits of the
pixels (--alpha), as MAF does: on pixels that are almost always black an affine map would give rare
values a very low likelihood.

The last --holdout of the training pictures choose the best epoch. Likelihoods are reported on the
10,000 test pictures. A small classifier, trained on the same pictures, measures how often samples
are of the class that they were drawn for, with and without guidance, before and after denoising.

Writes to --out: grid.png, one row a digit; guidance.png, one row for each guidance; denoising.png,
rows before and after; trajectory.png, from latents through the blocks to digits; loss.png,
metrics.json and the model.
"""

from keras_flows.recipes.parts.mnist_classifier import train_classifier
from keras_flows.recipes.parts.tarflow_options import (
    add_tarflow_options,
    tarflow_parser,
    train_tarflow,
)
from keras_flows.training.image_data import mnist
from keras_flows.training.optimizers import use_devices
from keras_flows.training.script import script

NAME = "tarflow_mnist"


def parser():
    p = tarflow_parser(
        __doc__, NAME, epochs=10, batch_size=64, learning_rate=2e-3, warmup=200, clip=1.0
    )
    add_tarflow_options(
        p,
        patch=4,
        channels=96,
        heads=4,
        blocks=8,
        layers=1,
        noise_std=0.1,
        alpha=1e-6,
        guidance=1.0,
    )
    p.add_argument("--no-classes", dest="classes", action="store_false", help="no labels at all")
    return p


@script(NAME, parser)
def main(args):
    use_devices(args.devices)  # before the classifier is built
    data = mnist(args, args.classes)
    classes = 10 if args.classes else None
    judge = train_classifier(data, args.seed) if classes and not args.dry_run else None
    train_tarflow(NAME, args, data, (28, 28, 1), classes, judge=judge)
