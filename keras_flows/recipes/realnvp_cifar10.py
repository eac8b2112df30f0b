"""RealNVP (1605.08803) on CIFAR-10: the paper's configuration, 3.49 bits/dim.

CIFAR-10 is Keras' download, or --data, an npz in the same layout. The last --holdout of the 50,000
training pictures choose the best epoch. Bits/dim are reported on the 10,000 test pictures.
Pictures and metrics.json go to --out.
"""

from keras_flows.models import RealNVP
from keras_flows.training.arguments import positive
from keras_flows.training.image_data import cifar10
from keras_flows.training.image_run import image_parser, train_on_images
from keras_flows.training.options import CIFAR10
from keras_flows.training.script import script

NAME = "realnvp_cifar10"


def parser():
    p = image_parser(
        __doc__,
        NAME,
        epochs=100,
        batch_size=64,
        learning_rate=1e-3,
        rows=10,
        columns=10,
        temperature=1.0,
        holdout=2000,
        data=CIFAR10,
        clip=100.0,
    )
    p.add_argument("--level", type=positive, default=2, help="scales")
    p.add_argument("--hidden", type=positive, default=64, help="channels, first scale")
    p.add_argument("--blocks", type=positive, default=8, help="residual blocks a network")
    return p


def build(args):
    return RealNVP(
        (32, 32, 3),
        levels=args.level,
        hidden=args.hidden,
        blocks=args.blocks,
        levels_per_channel=2**args.bits,
        seed=args.seed,
    )


@script(NAME, parser)
def main(args):
    settings = ("level", "hidden", "blocks")
    train_on_images(NAME, args, cifar10(args), lambda: build(args), settings, flip=True)
