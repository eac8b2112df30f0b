"""Pictures of a folder or a zip as `ImageData`, and the options for them."""

import numpy as np

from keras_flows.data import pictures
from keras_flows.training.arguments import positive
from keras_flows.training.image_data import ImageData

HELP = "folder or zip of pictures"
HOLDOUT = 1000


def add_folder_options(p, *, img_size=64):
    """Adds the options. The default of --holdout is `HOLDOUT`, or a tenth of fewer pictures."""
    p.set_defaults(holdout=None)
    p.add_argument("--img-size", type=positive, default=img_size, help="side of pictures")
    p.add_argument("--test", help="folder or zip of pictures to report on, none of them in --data")
    p.add_argument("--cache", help="folder for the decoded pictures")
    p.add_argument("--enlarge", action="store_true", help="take pictures below --img-size as well")


def load_folder(args):
    """The pictures of --data, split by CelebA's partition or by --holdout; those of --test."""
    options = {"cache": args.cache, "enlarge": args.enlarge}
    images = pictures.load(args.data, args.img_size, **options)
    if args.holdout is None:
        args.holdout = max(1, min(HOLDOUT, len(images.names) // 10))
    train, validation, test = pictures.split(images, args.data, args.holdout)
    x = images.pixels
    if args.test:
        train = np.union1d(train, test)
        x_test = pictures.load(args.test, args.img_size, **options).pixels
    else:
        x_test = x[test[:10_000]]
    if not len(validation) or not len(x_test):
        raise ValueError(
            f"{args.data} has no pictures to choose an epoch by or none to report on: give more, "
            f"or --test. Received: {len(validation)} and {len(x_test)} of {len(x)} pictures."
        )
    # CelebA's validation part may be larger than --holdout.
    spread = np.linspace(0, len(validation) - 1, min(args.holdout, len(validation))).astype(int)
    return ImageData(x, x[validation[spread]], x_test, rows=train[: args.limit])
