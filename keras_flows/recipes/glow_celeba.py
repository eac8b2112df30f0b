"""Glow (1807.03039) on faces, or any pictures of your own.

The configuration is the blog series', or the paper's with --variant paper. --setting cpu trains on
32x32 pictures of 5 bits in some 40 minutes of a CPU core; faces show after the first epochs.

--data is a folder or a zip of pictures; a folder may have subfolders. CelebA is at
https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html ("Align&Cropped Images"): img_align_celeba.zip.
Put list_eval_partition.txt beside it to train on CelebA's training part, and list_attr_celeba.txt
for `keras-flows manipulate`. Without a partition --holdout pictures choose the best epoch, and as
many are reported on: 1,000 each, or a tenth of fewer than 10,000 pictures.

Pictures are cropped to their centre square, resized once and kept in Keras' cache folder. Damaged
pictures are skipped and named, and so are pictures below --img-size unless --enlarge is there.

Writes to --out: a grid of samples after every epoch; at the end grid.png, temperature.png,
levels.png, interpolation.png, reconstruction.png, loss.png, glow_celeba.keras and metrics.json.
"""

from keras_flows.models.pictures import check_sides
from keras_flows.recipes.parts.glow_options import (
    SETTINGS,
    add_glow_options,
    build_glow,
    complete_glow,
)
from keras_flows.training.image_folder import HELP, add_folder_options, load_folder
from keras_flows.training.image_run import image_parser, train_on_images
from keras_flows.training.script import script

NAME = "glow_celeba"
CPU = {
    "img_size": 32,
    "bits": 5,
    "variant": "paper",
    "depth": 8,
    "hidden": 128,
    "batch_size": 32,
    "learning_rate": 2e-3,
    "warmup": 300,
    "clip": 100.0,
    "ema": 0.99,
    "mixed_precision": True,
    "steps_per_epoch": 500,
    "epochs": 7,
    "temperature": 0.7,
}


def parser():
    p = image_parser(
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
        data=HELP,
        data_required=True,
    )
    add_glow_options(p, level=3, variant="blog")
    add_folder_options(p)
    return p


def load(args):
    """The pictures; checks first that the flow can take their size."""
    check_sides("Glow", (args.img_size, args.img_size, 3), args.level, args.level)
    return load_folder(args)


def build(args):
    return build_glow(args, (args.img_size, args.img_size, 3))


@script(NAME, parser, complete=complete_glow, settings={"cpu": CPU})
def main(args):
    settings = (*SETTINGS, "img_size", "data", "test")
    train_on_images(NAME, args, load(args), lambda: build(args), settings, flip=True)
