"""Test log-likelihoods after the same training: `python -m benchmarks.likelihood --data FILE.npz`.

FILE holds standardized float32 arrays `train`, `validation` and `test`. The flow of
`benchmarks.training` and the peers' flows of the same sizes train for the same number of steps on
the same batches in the same order, with Adam and a learning rate that falls to 0 along a cosine.
Each contender runs in a process of its own. The validation rows choose nothing: the last weights
are measured. GPUs are hidden.
"""

import sys
from pathlib import Path

import numpy as np

from benchmarks import command_line, report
from benchmarks.contenders import BENCHMARKS
from benchmarks.processes import measured, publish
from benchmarks.rounds import exit_status, run_rounds
from benchmarks.sampling import VECTORS

PARTS = ("train", "validation", "test")
HEADER = (
    "contender", "test, nats (+- 2 standard errors)", "validation, nats", "last training loss",
    "steps/s", "training, s", "parameters",
)  # fmt: skip


def parse(argv):
    parser = command_line.parser("likelihood", __doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="FILE.npz")
    parser.add_argument("--model", choices=VECTORS, required=True)
    parser.add_argument("--steps", type=int, required=True, help="training steps")
    parser.add_argument("--batch-size", type=int, help="rows a step [that of benchmarks.training]")
    parser.add_argument("--learning-rate", type=float, default=5e-4, help="[%(default)s]")
    command_line.add_contenders(parser)
    args = command_line.parsed(parser, argv)
    benchmark = BENCHMARKS[args.model]
    peers = [name for name, c in benchmark.contenders.items() if c.peer and c.default]
    contenders = benchmark.contenders.items()
    available = {name: contender for name, contender in contenders if "floor" not in name}
    default = ["keras_flows-tensorflow", *peers]
    args.contenders = command_line.chosen(parser, args.contenders, available, default)
    args.batch_size = benchmark.batch if args.batch_size is None else args.batch_size
    args.rows, args.dims = data_sizes(parser, args.data)
    if min(args.steps, args.batch_size) < 1 or args.learning_rate <= 0:
        parser.error("--steps, --batch-size and --learning-rate must be above 0")
    if args.batch_size > args.rows["train"]:
        parser.error(f"--batch-size must be at most the {args.rows['train']} training rows")
    return args


def data_sizes(parser, path):
    """The number of rows of each part of the data, and the number of dimensions."""
    if not path.is_file():
        parser.error(f"--data: no file {path}")
    with np.load(path) as data:
        if missing := [part for part in PARTS if part not in data.files]:
            parser.error(f"--data {path} has no arrays {', '.join(missing)}")
        shapes = {part: data[part].shape for part in PARTS}
    tables = all(len(shape) == 2 and shape[0] > 1 for shape in shapes.values())
    if not tables or len({shape[1] for shape in shapes.values()}) > 1:
        parser.error(f"--data needs tables of the same columns, 2 rows or more. Received: {shapes}")
    return {part: shape[0] for part, shape in shapes.items()}, shapes["train"][1]


def run(args, name):
    """One contender's figures, from a process of its own."""
    benchmark = BENCHMARKS[args.model]
    task = {key: getattr(args, key) for key in ("model", "steps", "batch_size", "learning_rate")}
    task |= {"contender": name, "data": str(args.data.resolve())}
    return measured("likelihood", task, benchmark.contenders[name].backend)


def _rows(runs, left_out):
    for name, rounds in runs.items():
        f = rounds[0]
        yield (
            name,
            f"{f['test']:.3f} (+- {f['test_2se']:.3f})",
            f"{f['validation']:.3f} (+- {f['validation_2se']:.3f})",
            f"{f['last_loss']:.3f}",
            f"{f['steps_per_s']:.1f}",
            f"{f['training_s']:.0f}",
            f"{f['parameters']:,}",
        )
    yield from report.left_out_rows(left_out, HEADER)


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    args = parse(argv)
    benchmark = BENCHMARKS[args.model]
    result = report.run_info("likelihood", argv)
    runs, left_out = run_rounds(
        args.contenders,
        benchmark.contenders,
        1,
        lambda name: run(args, name),
        lambda f: f"{f['test']:.3f} nats, {f['steps_per_s']:.1f} steps/s",
    )
    keys = ("model", "steps", "batch_size", "learning_rate", "rows", "dims")
    result["options"] = {key: getattr(args, key) for key in keys}
    result |= {"left_out": left_out, "runs": {name: rounds[0] for name, rounds in runs.items()}}
    rows = ", ".join(f"{n:,} {part}" for part, n in args.rows.items())
    how = (
        f"{args.steps:,} steps of {args.batch_size}, Adam from {args.learning_rate:g} along a "
        f"cosine to 0; {rows} rows of {args.dims} dimensions"
    )
    notes = (
        "Mean log-likelihoods after the last step, in nats. Each library initializes its weights "
        "in its own way. Steps/s is the median over parts of the training, without the first part, "
        "which includes compiling."
    )
    sizes = ", ".join(f"{k} {v}" for k, v in benchmark.sizes.items() if k != "dims")
    stem = f"likelihood_{args.model}_{args.data.stem}"
    title = f"Likelihood after the same training, {args.model}: {sizes}"
    page = report.page(title, how, result, HEADER, _rows(runs, left_out), notes)
    publish(stem, page, result, args.out)
    return exit_status(runs, left_out)


if __name__ == "__main__":
    sys.exit(main())
