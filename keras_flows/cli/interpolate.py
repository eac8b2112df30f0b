"""Draws lines between the latents of test pictures, a row each."""

from keras_flows.cli import drawing, samples
from keras_flows.cli import options as o

HELP = "lines between test pictures, a row each"


def options(p):
    o.model(p)
    o.data(p)
    o.grid(p, "10x15")
    o.png(p, "lines.png")


def run(args):
    flow = drawing.load(args)
    rows, columns = args.grid
    data = samples.read_pictures(args, flow)
    if data.labels is not None:
        raise ValueError("Lines need a flow without classes. Received: a class-conditional one.")
    lines = flow.interpolate(data.x[:rows], data.x[rows : 2 * rows], columns)
    drawing.write_grid(args, flow, lines.reshape(-1, *flow.data_shape), rows, columns)
