"""Options that several commands have."""

import argparse
from pathlib import Path

from keras_flows.training.arguments import cells, image_shape, names, positive

MODEL = "a saved flow, MODEL.keras, or the name of a preset; `keras-flows presets` lists them"
DATA = (
    "pictures: npz or idx files of MNIST or npz of CIFAR-10, of which the test pictures are used; "
    "or a folder or zip of pictures, of which CelebA's test part is used if its partition file is "
    "there, and all pictures otherwise; default: MNIST"
)
TABLE = "; tables: csv, npy, npz or parquet, of which the part called test is used, or all rows"
LIMIT = "samples to use (default: 10000 pictures, all rows of a table)"
CONTEXT = (
    "of a conditional flow: A,B,... for all samples, or a table with one row for each sample or "
    "one for all; once for each input of context; if the first number is negative, --context=-1,2"
)


class Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the defaults that are not None."""

    def _get_help_string(self, action):
        return action.help if action.default is None else super()._get_help_string(action)


def add_model(p):
    p.add_argument("model", help=MODEL)
    add_import(p)


def add_import(p):
    p.add_argument(
        "--import",
        dest="modules",
        action="append",
        metavar="MODULE",
        help="a Python module that registers your own layers, from the Python path or the current "
        "folder; it is imported before the flow is loaded; may be repeated",
    )


def add_data(p, table=False):
    add = p.add_argument
    add("--data", type=Path, help=DATA + TABLE if table else DATA)
    add("--limit", type=positive, help=LIMIT)
    add("--batch-size", type=positive, help="samples at a time (default: 100 pictures, 1000 rows)")
    if table:
        add("--columns", type=names, help="A,B,...: only these columns of a table, in this order")
        add("--drop", type=names, help="A,B,...: all columns of a table but these")
        add("--context", action="append", help=CONTEXT)


def add_grid(p, size):
    p.add_argument("--grid", type=cells, default=size, help="rows x columns")
    p.add_argument("--image-shape", type=image_shape, help="HxWxC, if vectors are not square")


def add_png(p, default):
    p.add_argument("--out", type=Path, default=Path(default), help="PNG to write")


def check_ending(path, endings):
    """Raises ValueError if --out has another ending; call it before anything is computed."""
    if path.suffix.lower() not in endings:
        raise ValueError(f"--out must end in one of {', '.join(endings)}. Received: --out {path}.")
