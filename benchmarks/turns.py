"""Ratios of what takes turns within one process: `python -m benchmarks.turns`.

For each model and backend one process trains the floor and the flow of
`benchmarks.training`, some steps each in turn, and then draws samples and finds their
densities in turn, as `benchmarks.sampling` does. Machines whose speed drifts within
minutes move these ratios far less than those of processes of their own. GPUs are hidden.
"""

import sys

from benchmarks import command, report
from benchmarks.contenders import BENCHMARKS
from benchmarks.processes import attempted, measured, publish, say
from benchmarks.sampling import BATCH, ROWS

HEADER = (
    "model", "backend", "floor, ms a step", "flow, ms a step", "flow / floor (quartiles)",
    "samples, s", "densities, s", "samples / densities (quartiles)",
)  # fmt: skip
QUICK = {"turns": 2, "steps": 2, "rows": 8}


def parse(argv):
    parser = command.parser("turns", __doc__, QUICK, ("tensorflow", "jax"))
    parser.add_argument("--models", type=command.listed(str), default=list(BATCH), metavar="A,B")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--steps", type=int, default=20, help="of training, in each turn")
    rows = ", ".join(f"{name} {ROWS[name]}" for name in BATCH)
    parser.add_argument("--rows", type=int, help=f"samples in a turn [{rows}]")
    args = command.parsed(parser, argv)
    if unknown := [name for name in args.models if name not in BATCH]:
        parser.error(f"unknown models {unknown}; there are {', '.join(BATCH)}")
    command.at_least_one(parser, args, "turns", "steps")
    if args.rows is not None:
        command.at_least_one(parser, args, "rows")
    return args


def run_all(args):
    """One entry for each model and backend; one that failed says why."""
    runs = []
    for model in args.models:
        for backend in args.backends:
            rows = ROWS[model] if args.rows is None else args.rows
            sizes = {"batch": BENCHMARKS[model].batch, "steps": args.steps, "rows": rows}
            task = {"model": model, "turns": args.turns, "part": BATCH[model], **sizes}
            figures = attempted(measured, "turns", task, backend)
            runs.append({"model": model, "backend": backend, **figures})
            say(" ".join(row(runs[-1])))
    return runs


def row(entry):
    own = (entry["model"], entry["backend"])
    if "failed" in entry:
        return (*own, f"failed: {entry['failed']}", *[""] * (len(HEADER) - 3))
    training, sampling = entry["training"], entry["sampling"]
    return (
        *own,
        *(f"{1000 * training[name]:.1f}" for name in ("floor", "flow")),
        _spread(training["ratio"]),
        *(f"{sampling[name]:.2f}" for name in ("samples", "densities")),
        _spread(sampling["ratio"]),
    )


def _spread(quartiles):
    low, middle, high = quartiles
    return f"{middle:.2f} ({low:.2f}..{high:.2f})"


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    args = parse(argv)
    result = report.setting("turns", argv)
    result["options"] = {key: getattr(args, key) for key in ("models", "turns", "steps", "rows")}
    result["runs"] = runs = run_all(args)
    how = f"{args.turns} turns, {args.steps} steps of training in each"
    titles = "; ".join(f"{name}: {BENCHMARKS[name].title}" for name in args.models)
    notes = (
        "Medians; a ratio is the median of the turns' ratios. A floor is the flow's networks "
        f"alone, trained by the same `fit`. {titles}."
    )
    page = report.page(
        "Flows and their floors in turns", how, result, HEADER, map(row, runs), notes
    )
    publish("turns", page, result, args.out)
    return 1 if any("failed" in run for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
