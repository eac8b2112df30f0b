"""What a flow costs beyond its networks, within one process: `python -m benchmarks.overhead`.

For each model and backend one process trains the floor (the flow's networks alone) and the flow
of `benchmarks.training` alternately, a few steps in each round. Then it alternates between drawing
samples and computing their densities, as `benchmarks.sampling` does. These ratios vary far less
than ratios between processes on machines whose speed drifts within minutes. GPUs are hidden.
"""

import sys

from benchmarks import command_line, report
from benchmarks.contenders import BENCHMARKS
from benchmarks.processes import attempted, exit_status, measured, publish, say
from benchmarks.sampling import BATCH, ROWS

HEADER = (
    "model", "backend", "floor, ms a step", "flow, ms a step", "flow / floor (quartiles)",
    "samples, s", "densities, s", "samples / densities (quartiles)",
)  # fmt: skip
QUICK = {"rounds": 2, "steps": 2, "rows": 8}


def parse(argv):
    parser = command_line.parser("overhead", __doc__, QUICK, ("tensorflow", "jax"))
    listed = command_line.listed(str)
    parser.add_argument("--models", type=listed, default=list(BATCH), metavar="A,B")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=20, help="training steps in each round")
    rows = ", ".join(f"{name} {ROWS[name]}" for name in BATCH)
    parser.add_argument("--rows", type=int, help=f"samples in each round [{rows}]")
    args = command_line.parsed(parser, argv)
    if unknown := [name for name in args.models if name not in BATCH]:
        parser.error(f"unknown models {unknown}; choose from {', '.join(BATCH)}")
    command_line.at_least_one(parser, args, "rounds", "steps")
    if args.rows is not None:
        command_line.at_least_one(parser, args, "rows")
    return args


def run_all(args):
    """One entry for each model and backend; an entry that failed has the reason."""
    runs = []
    for model in args.models:
        for backend in args.backends:
            rows = ROWS[model] if args.rows is None else args.rows
            sizes = {"batch": BENCHMARKS[model].batch, "steps": args.steps, "rows": rows}
            task = {"model": model, "rounds": args.rounds, "sampling_batch": BATCH[model], **sizes}
            figures = attempted(measured, "overhead", task, backend)
            runs.append({"model": model, "backend": backend, **figures})
            say(" ".join(row(runs[-1])))
    return runs


def row(entry):
    head = (entry["model"], entry["backend"])
    if "failed" in entry:
        return (*head, f"failed: {entry['failed']}", *[""] * (len(HEADER) - 3))
    training, sampling = entry["training"], entry["sampling"]
    return (
        *head,
        *(f"{1000 * training[name]:.1f}" for name in ("floor", "flow")),
        _median_and_quartiles(training["ratio"]),
        *(f"{sampling[name]:.2f}" for name in ("samples", "densities")),
        _median_and_quartiles(sampling["ratio"]),
    )


def _median_and_quartiles(quartiles):
    low, middle, high = quartiles
    return f"{middle:.2f} ({low:.2f}..{high:.2f})"


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    args = parse(argv)
    result = report.run_info("overhead", argv)
    result["options"] = {key: getattr(args, key) for key in ("models", "rounds", "steps", "rows")}
    result["runs"] = runs = run_all(args)
    how = f"{args.rounds} rounds with {args.steps} training steps in each"
    titles = "; ".join(f"{name}: {BENCHMARKS[name].title}" for name in args.models)
    notes = (
        "Medians; a ratio is the median of the ratios within a round. A floor is the flow's "
        f"networks alone, trained by the same `fit`. {titles}."
    )
    page = report.page("Flows beside their floors", how, result, HEADER, map(row, runs), notes)
    publish("overhead", page, result, args.out)
    return exit_status(runs)


if __name__ == "__main__":
    sys.exit(main())
