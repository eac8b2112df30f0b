"""IDF++ (2006.12459) on 64x64 faces, or any pictures of your own: a lossless compressor.

--data and --test are folders or zips of pictures, see glow_celeba. Pictures are cropped to their
centre square and resized to --img-size once. Bits/dim are exact; metrics.json has them beside the
sizes of the same pictures as PNG, WebP and JPEG XL. Pictures and the model go to --out.
"""

from keras_flows.models.pictures import check_sides
from keras_flows.recipes.parts.idf_options import SETTINGS, add_idf_options, build_idf
from keras_flows.recipes.parts.lossless_sizes import compared
from keras_flows.training.image_folder import HELP, add_folder_options, load_folder
from keras_flows.training.image_run import image_parser, train_on_images
from keras_flows.training.script import script

NAME = "idf_faces"


def parser():
    p = image_parser(
        __doc__,
        NAME,
        epochs=1000,
        batch_size=32,
        learning_rate=2e-3,
        rows=9,
        columns=9,
        temperature=1.0,
        holdout=None,
        steps_per_epoch=500,
        data=HELP,
        data_required=True,
        optimizer="adamax",
        warmup=200,
        ema=0.999,
    )
    add_idf_options(p, level=4, depth=2, hidden=96, blocks=3, parts=2, mixture=3, norm="none")
    add_folder_options(p)
    return p


def load(args):
    """The pictures; checks first that the flow can take their size."""
    check_sides("IDF", (args.img_size, args.img_size, 3), args.level, args.level)
    return load_folder(args)


def build(args):
    return build_idf(args, (args.img_size, args.img_size, 3))


@script(NAME, parser)
def main(args):
    settings = (*SETTINGS, "img_size", "data", "test")
    data = load(args)
    train_on_images(
        NAME, args, data, lambda: build(args), settings, flip=True, more_metrics=compared(args)
    )
