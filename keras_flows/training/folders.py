"""Pictures of a folder or zip, for the scripts that take --data."""

import numpy as np

from keras_flows.data import pictures
from keras_flows.training import common, images

HELP = "folder or zip of pictures"
HOLDOUT = 1000


def add(p, *, img_size=64):
    """Options of the pictures. Without --holdout it is `HOLDOUT` or, of fewer, a tenth."""
    p.set_defaults(holdout=None)
    p.add_argument("--img-size", type=common.positive, default=img_size, help="side of pictures")
    p.add_argument("--test", help="folder or zip of pictures to report on, none of them in --data")
    p.add_argument("--cache", help="folder for the decoded pictures")
    p.add_argument("--enlarge", action="store_true", help="take pictures below --img-size as well")


def load(args):
    """Pictures of --data, split by CelebA's partition or by --holdout; those of --test."""
    options = {"cache": args.cache, "enlarge": args.enlarge}
    found = pictures.load(args.data, args.img_size, **options)
    if args.holdout is None:
        args.holdout = max(1, min(HOLDOUT, len(found.names) // 10))
    train, validation, test = pictures.split(found, args.data, args.holdout)
    x = found.pixels
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
    # An epoch is chosen on no more than --holdout pictures, spread over those there are.
    spread = np.linspace(0, len(validation) - 1, min(args.holdout, len(validation))).astype(int)
    return images.Data(x, x[validation[spread]], x_test, rows=train[: args.limit])
