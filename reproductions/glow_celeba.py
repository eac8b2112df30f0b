"""Glow (1807.03039) on faces, or any pictures of your own: the blog series' configuration, or the
paper's (--variant paper).

--data is a folder of pictures, with folders in it or not, or a zip of them. CelebA is at
https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html ("Align&Cropped Images": img_align_celeba.zip;
beside it list_eval_partition.txt, which decides what is trained on where it is found, and
list_attr_celeba.txt for `keras-flows manipulate`). Pictures are cropped to their centre square and
resized once, then kept in Keras' cache folder; damaged and tiny ones are skipped and counted.

Trains, shows loss and bits/dim, and writes to --out: a grid of samples after every epoch, at the
end grid.png, temperature.png, levels.png, interpolation.png, reconstruction.png, loss.png,
glow_celeba.keras and metrics.json.
"""

import numpy as np

from keras_flows import pictures
from keras_flows.models.multiscale import check_sides
from reproductions import common, glow_options, images

NAME = "glow_celeba"


def options(argv=None):
    p = images.parser(
        __doc__,
        NAME,
        epochs=1000,
        batch_size=64,
        learning_rate=None,
        rows=9,
        columns=9,
        temperature=0.9,
        holdout=1000,
        steps_per_epoch=1000,
        data_required=True,
    )
    glow_options.add(p, level=3, variant="blog")
    p.add_argument("--img-size", type=common.positive, default=64, help="side of the pictures")
    p.add_argument("--test", help="folder or zip of pictures to report on, none of them in --data")
    p.add_argument("--cache", help="folder for the decoded pictures")
    return glow_options.parse(p, NAME, argv)


def load(args):
    """Pictures of --data, split by CelebA's partition or by --holdout; those of --test."""
    check_sides("Glow", (args.img_size, args.img_size, 3), args.level, args.level)
    found = pictures.load(args.data, args.img_size, cache=args.cache)
    train, validation, test = pictures.split(found, args.data, args.holdout)
    x = found.pixels
    if args.test:
        train = np.union1d(train, test)
        x_test = pictures.load(args.test, args.img_size, cache=args.cache).pixels
    else:
        x_test = x[test[:10_000]]
    if not len(validation) or not len(x_test):
        raise ValueError(
            f"{args.data} has no pictures to choose an epoch by or none to report on: give more, "
            f"or --test. Received: {len(validation)} and {len(x_test)} of {len(x)} pictures."
        )
    # An epoch is chosen on no more than --holdout pictures, spread over those there are.
    spread = np.linspace(0, len(validation) - 1, min(args.holdout, len(validation))).astype(int)
    return images.Data(x, x[validation[spread]], x_test, rows=train[: args.limit])


def build(args):
    return glow_options.build(args, (args.img_size, args.img_size, 3))


def main(argv=None):
    args = options(argv)
    same = (*glow_options.SAME, "img_size", "data", "test")
    images.reproduce(NAME, args, load(args), lambda: build(args), same, flip=True)


if __name__ == "__main__":
    main()
