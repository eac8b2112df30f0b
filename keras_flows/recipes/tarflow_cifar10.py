"""TarFlow (2412.06329) on CIFAR-10.

The paper has no figure for CIFAR-10; it has 2.99 bits/dim on ImageNet64. Gaussian noise, the
default, gives samples by class with guidance; --noise uniform gives bits/dim. The model is between
the paper's for MNIST and for ImageNet64 (--patch 2 --channels 768 --blocks 8 --layers 8).

CIFAR-10 is Keras' download, or --data, an npz in the same layout. The last --holdout of the 50,000
training pictures choose the best epoch. Likelihoods are reported on the 10,000 test pictures.
--out has the same files as for `tarflow_mnist`.
"""

from keras_flows.recipes.parts.tarflow_options import (
    LARGE,
    LARGE_MODEL,
    add_tarflow_options,
    tarflow_parser,
    train_tarflow,
)
from keras_flows.training.image_data import cifar10
from keras_flows.training.options import CIFAR10
from keras_flows.training.script import script

NAME = "tarflow_cifar10"


def parser():
    p = tarflow_parser(__doc__, NAME, data=CIFAR10, **LARGE)
    add_tarflow_options(p, patch=2, guidance=1.0, **LARGE_MODEL)
    p.add_argument("--no-classes", dest="classes", action="store_false", help="no labels at all")
    return p


@script(NAME, parser)
def main(args):
    classes = 10 if args.classes else None
    data = cifar10(args, args.classes)
    train_tarflow(NAME, args, data, (32, 32, 3), classes, flip=True)
