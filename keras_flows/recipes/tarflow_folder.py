"""TarFlow (2412.06329) on faces, or any pictures of your own.

--data is a folder or a zip of pictures; for CelebA see `glow_celeba`. Pictures are cropped to
their centre square, resized once and kept in Keras' cache folder. Gaussian noise, the default, is
for samples; --noise uniform gives bits/dim. --out has the same files as for `tarflow_mnist`.
"""

from keras_flows.layers import Patchify
from keras_flows.recipes.parts.tarflow_options import (
    LARGE,
    LARGE_MODEL,
    add_tarflow_options,
    tarflow_parser,
    train_tarflow,
)
from keras_flows.training.image_folder import HELP, add_folder_options, load_folder
from keras_flows.training.script import script

NAME = "tarflow_folder"


def parser():
    p = tarflow_parser(
        __doc__,
        NAME,
        rows=8,
        columns=8,
        holdout=None,
        data=HELP,
        data_required=True,
        classes=False,
        **LARGE,
    )
    add_tarflow_options(p, patch=4, **LARGE_MODEL)
    add_folder_options(p)
    return p


@script(NAME, parser)
def main(args):
    shape = (args.img_size, args.img_size, 3)
    Patchify(args.patch).build((None, *shape))  # checks the sides before pictures are decoded
    train_tarflow(NAME, args, load_folder(args), shape, flip=True)
