"""TarFlow (2412.06329) on faces, or any pictures of your own.

--data is a folder of pictures, with folders in it or not, or a zip of them; CelebA as in
`glow_celeba`. Pictures are cropped to their centre square and resized once, then kept in Keras'
cache folder. With Gaussian noise, the default, for samples; with --noise uniform for bits/dim.
Pictures, as of `tarflow_mnist`, and metrics.json go to --out.
"""

from keras_flows.layers import Patchify
from keras_flows.recipes.parts import tarflow_options
from keras_flows.training import folders
from keras_flows.training.script import script

NAME = "tarflow_folder"


def parser():
    p = tarflow_options.parser(
        __doc__,
        NAME,
        rows=8,
        columns=8,
        holdout=None,
        data=folders.HELP,
        data_required=True,
        classes=False,
        **tarflow_options.LARGE,
    )
    tarflow_options.add(p, patch=4, **tarflow_options.LARGE_MODEL)
    folders.add(p)
    return p


@script(NAME, parser)
def main(args):
    shape = (args.img_size, args.img_size, 3)
    Patchify(args.patch).build((None, *shape))  # refuses sides before pictures are decoded
    tarflow_options.reproduce(NAME, args, folders.load(args), shape, flip=True)
