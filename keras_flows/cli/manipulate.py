"""Draws pictures that are moved along an attribute, by the difference of mean latents."""

from pathlib import Path

import numpy as np

from keras_flows.cli import drawing, samples
from keras_flows.cli import options as o
from keras_flows.training.arguments import finite

HELP = "pictures moved along an attribute"


def options(p):
    o.model(p)
    o.data(p)
    o.grid(p, "4x9")
    o.png(p, "strip.png")
    add = p.add_argument
    add("--attributes", type=Path, help="list_attr_celeba.txt or .csv; else in --data")
    add("--attribute", required=True, help="its name, such as Smiling")
    add("--image", type=Path, nargs="+", help="pictures to move; else those of --data")
    add("--strength", type=finite, default=1.5, help="how far: 1 adds the difference")


def run(args):
    from keras_flows.data import datasets, decoding, pictures
    from keras_flows.plots.manipulation import attribute_direction
    from keras_flows.plots.manipulation import manipulate as moved

    flow = drawing.load(args)
    rows, columns = args.grid
    found, _ = samples.find_pictures(args, flow)
    names, signs = pictures.attributes(args.attributes or args.data)
    if args.attribute not in names:
        raise ValueError(f"There is no such attribute. Received: {args.attribute}, not in {names}.")
    known = [i for i, name in enumerate(found.names) if Path(name).stem in signs]
    known = known[: args.limit or samples.PICTURES]
    has = [signs[Path(found.names[i]).stem][names.index(args.attribute)] > 0 for i in known]
    x = datasets.as_input(flow, found.pixels[known])
    size = args.batch_size or samples.BATCH
    direction = attribute_direction(flow, x, has, batch_size=size)
    start = x[:rows]
    if args.image:
        side = flow.data_shape[0]
        start = datasets.as_input(flow, np.stack([decoding.square(p, side) for p in args.image]))
    strengths = np.linspace(-args.strength, args.strength, columns)
    strips = moved(flow, start, direction, strengths, batch_size=size)
    drawing.write_grid(args, flow, strips.reshape(-1, *flow.data_shape), len(start), columns)
