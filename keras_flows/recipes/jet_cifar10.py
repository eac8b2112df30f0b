"""Jet (2412.15129) on CIFAR-10.

The paper has no figure for CIFAR-10; it has 3.66 bits/dim on ImageNet64. The optimizer is the
paper's: AdamW with a learning rate that rises for a tenth of the steps and falls along a cosine,
and a weight decay of 1e-5 a step at the highest rate. The batch size, the width and the number of
steps are smaller than the paper's.

CIFAR-10 is Keras' download, or --data, an npz in the same layout. The last --holdout of the 50,000
training pictures choose the best epoch. Bits/dim are reported on the 10,000 test pictures.
Pictures and metrics.json go to --out.
"""

from keras_flows.models import Jet
from keras_flows.training.arguments import positive
from keras_flows.training.image_data import cifar10
from keras_flows.training.image_run import image_parser, train_on_images
from keras_flows.training.options import CIFAR10
from keras_flows.training.script import script

NAME = "jet_cifar10"


def parser():
    p = image_parser(
        __doc__,
        NAME,
        epochs=200,
        batch_size=256,
        learning_rate=3e-4,
        rows=10,
        columns=10,
        temperature=1.0,
        holdout=2000,
        data=CIFAR10,
        optimizer="adamw",
        weight_decay=1 / 30,  # Keras multiplies it by the learning rate.
        beta_2=0.95,
        schedule="cosine",
        warmup=3750,
        clip=1.0,
    )
    add = p.add_argument
    add("--patch", type=positive, default=4, help="side of a patch")
    add("--couplings", type=positive, default=32, help="number of couplings")
    add("--depth", type=positive, default=2, help="attention blocks of a coupling")
    add("--channels", type=positive, default=256, help="width of the transformers")
    return p


def build(args):
    return Jet(
        (32, 32, 3),
        steps=args.couplings,
        patch=args.patch,
        hidden=args.channels,
        blocks=args.depth,
        levels_per_channel=2**args.bits,
        seed=args.seed,
    )


@script(NAME, parser)
def main(args):
    settings = ("patch", "couplings", "depth", "channels")
    train_on_images(NAME, args, cifar10(args), lambda: build(args), settings, flip=True)
