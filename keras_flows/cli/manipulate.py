"""Moves pictures along an attribute, by the difference of mean latents, and draws them."""

from pathlib import Path

import numpy as np

from keras_flows.cli import drawing, samples
from keras_flows.cli.options import add_data, add_grid, add_model, add_png
from keras_flows.training.arguments import finite

HELP = "pictures moved along an attribute, such as Smiling"


def options(p):
    add_model(p)
    add_data(p)
    add_grid(p, "4x9")
    add_png(p, "strip.png")
    add = p.add_argument
    add("--attributes", type=Path, help="list_attr_celeba.txt or .csv; None: the one in --data")
    add("--attribute", required=True, help="name of the attribute, such as Smiling")
    add("--image", type=Path, nargs="+", help="pictures to move; None: those of --data")
    add("--strength", type=finite, default=1.5, help="of the move: 1 adds the difference once")


def run(args):
    from keras_flows.data import datasets, decoding
    from keras_flows.plots.manipulation import attribute_direction
    from keras_flows.plots.manipulation import manipulate as move

    flow = drawing.load(args)
    rows, columns = args.grid
    pixels, names, signs = samples.with_attributes(args, flow)
    if args.attribute not in names:
        raise ValueError(f"There is no such attribute. Received: {args.attribute}, not in {names}.")
    has = signs[:, names.index(args.attribute)] > 0
    x = datasets.as_input(flow, pixels)
    size = args.batch_size or samples.BATCH
    direction = attribute_direction(flow, x, has, batch_size=size)
    start = x[:rows]
    if args.image:
        side = flow.data_shape[0]
        start = datasets.as_input(flow, np.stack([decoding.square(p, side) for p in args.image]))
    strengths = np.linspace(-args.strength, args.strength, columns)
    strips = move(flow, start, direction, strengths, batch_size=size)
    drawing.write_grid(args, flow, strips.reshape(-1, *flow.data_shape), len(start), columns)
