"""Glow (1807.03039) on faces, or any pictures of your own.

The configuration is the blog series', or the paper's with --variant paper.

--data is a folder of pictures, with folders in it or not, or a zip of them. CelebA is at
https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html ("Align&Cropped Images": img_align_celeba.zip;
beside it list_eval_partition.txt, which decides what is trained on where it is found, and
list_attr_celeba.txt for `keras-flows manipulate`). Pictures are cropped to their centre square and
resized once, then kept in Keras' cache folder; damaged and tiny ones are skipped and named, unless
--enlarge takes the tiny ones. Without a partition --holdout pictures choose the epoch and as many
are reported on: 1,000 each or, of fewer than 10,000 pictures, a tenth.

Trains, shows loss and bits/dim, and writes to --out: a grid of samples after every epoch, at the
end grid.png, temperature.png, levels.png, interpolation.png, reconstruction.png, loss.png,
glow_celeba.keras and metrics.json.
"""

from keras_flows.models.pictures import check_sides
from keras_flows.recipes.parts import glow_options
from keras_flows.training import folders, images
from keras_flows.training.script import script

NAME = "glow_celeba"


def parser():
    p = images.parser(
        __doc__,
        NAME,
        epochs=1000,
        batch_size=64,
        learning_rate=None,
        rows=9,
        columns=9,
        temperature=0.9,
        holdout=None,
        steps_per_epoch=1000,
        data=folders.HELP,
        data_required=True,
    )
    glow_options.add(p, level=3, variant="blog")
    folders.add(p)
    return p


def load(args):
    """The pictures, once it is clear that the flow can take them."""
    check_sides("Glow", (args.img_size, args.img_size, 3), args.level, args.level)
    return folders.load(args)


def build(args):
    return glow_options.build(args, (args.img_size, args.img_size, 3))


@script(NAME, parser, complete=glow_options.complete)
def main(args):
    same = (*glow_options.SAME, "img_size", "data", "test")
    images.reproduce(NAME, args, load(args), lambda: build(args), same, flip=True)
