"""TarFlow (2412.06329) on faces, or any pictures of your own.

--data is a folder of pictures, with folders in it or not, or a zip of them; CelebA as in
`glow_celeba`. Pictures are cropped to their centre square and resized once, then kept in Keras'
cache folder. With Gaussian noise, the default, for samples; with --noise uniform for bits/dim.
Pictures, as of `tarflow_mnist`, and metrics.json go to --out.
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
