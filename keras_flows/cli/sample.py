"""Writes samples of a flow: a grid of pictures as PNG, or rows of a table as csv, npy or npz."""

from pathlib import Path

import numpy as np

from keras_flows.cli import flows
from keras_flows.cli.drawing import write_grid
from keras_flows.cli.options import CONTEXT, add_model, check_ending
from keras_flows.cli.rows import Context
from keras_flows.data import tables
from keras_flows.plots.grids import check_size
from keras_flows.training.arguments import (
    cells,
    count,
    finite,
    image_shape,
    names,
    not_negative,
    positive,
)

HELP = "samples: a grid of pictures, or rows of a table"
GRID, ROWS = "15x15", 1000
MOST_ROWS = 10_000  # in a batch


def options(p):
    add_model(p)
    add = p.add_argument
    add("--out", type=Path, help="PNG, csv, npy or npz (default: grid.png; of tables rows.csv)")
    text = "scale of the latents, or one for each level"
    add("--temperature", type=not_negative, nargs="+", default=[1.0], help=text)
    add("--seed", type=count, help="fixes the samples")
    add("--label", type=int, help="class of the samples, for a class-conditional flow")
    add(
        "--guidance",
        type=finite,
        default=0.0,
        help="strength of guidance by the class, for a TarFlow",
    )
    add("--context", action="append", help=CONTEXT)
    add("--grid", type=cells, help=f"pictures: rows x columns (default: {GRID})")
    add("--image-shape", type=image_shape, help="pictures: HxWxC, if vectors are not square")
    add("--n", type=positive, help=f"rows of a table (default: those of the context, or {ROWS})")
    columns = p.add_mutually_exclusive_group()
    columns.add_argument("--columns", type=names, help="A,B,...: names of a table's columns")
    columns.add_argument("--like", type=Path, help="a table that has the names of the columns")


def run(args):
    if args.out:
        check_ending(args.out, (".png", *tables.WRITTEN))
    flow = flows.load(args)
    pictures = bool(args.grid or args.image_shape) or not flows.is_table(flow)
    args.out = args.out or Path("grid.png" if pictures else "rows.csv")
    if args.out.suffix.lower() == ".png":
        _sample_pictures(args, flow)
    else:
        _sample_rows(args, flow)


def _sample_pictures(args, flow):
    if args.n or args.columns or args.like:
        raise ValueError(
            "--grid sets the number of pictures; --out rows.csv writes a table. "
            f"Received: --out {args.out} with --n, --columns or --like."
        )
    rows, columns = args.grid or cells(GRID)
    check_size(rows, columns, args.image_shape or flow.data_shape)
    write_grid(args, flow, _samples(args, flow, rows * columns), rows, columns)


def _sample_rows(args, flow):
    if len(flow.data_shape) != 1 or args.grid or args.image_shape:
        raise ValueError(
            "Rows of a table need a flow of vectors, without --grid and --image-shape. "
            f"Received: --out {args.out}, a flow of {flow.data_shape}."
        )
    columns = args.columns
    if args.like:
        columns = tables.read(args.like, fit=False).names
    if columns and len(columns) != flow.dims:
        raise ValueError(
            f"The model has {flow.dims} columns, {args.like or '--columns'} has {len(columns)}. "
            f"Received: {', '.join(columns[:20])}."
        )
    samples = _samples(args, flow)
    wrong = np.flatnonzero(~np.isfinite(samples).all(axis=1))
    if len(wrong):
        raise ValueError(
            f"{len(wrong)} of {len(samples)} samples are not finite; try a lower --temperature. "
            f"Received: row {wrong[0] + 1}, {samples[wrong[0]][:5]}."
        )
    tables.write(args.out, samples, columns)
    print(args.out)


def _samples(args, flow, n=None):
    """n samples; if n is None, as many as --n or the context has rows."""
    context, rows = _context(args, flow)
    number = n or args.n
    if rows > 1 and number not in (None, rows):
        raise ValueError(
            "A context has one row for all samples or one for each. "
            f"Received: {rows} rows of context for {number} samples."
        )
    one = len(args.temperature) == 1
    temperature = args.temperature[0] if one else args.temperature
    options = {"guidance": args.guidance} if args.guidance else {}
    if n is None:
        n = number or (rows if rows > 1 else ROWS)
        options["batch_size"] = min(n, MOST_ROWS)
    return flow.sample(n, temperature, args.seed, context=context, **options)


def _context(args, flow):
    """The context of the options, and its number of rows."""
    if args.guidance and not flow.labels_optional:
        raise ValueError(
            "Guidance is for a TarFlow of classes. "
            f"Received: --guidance {args.guidance} for '{flow.name}'."
        )
    if args.label is not None and args.context:
        raise ValueError("Give --label or --context. Received: both.")
    if flow.classes and args.label is None and not args.context and not flow.labels_optional:
        raise ValueError("This flow is class-conditional: give --label. Received: none.")
    if args.label is not None:
        return args.label, 1
    context = Context(args.context, flow)
    return context.first(), context.rows
