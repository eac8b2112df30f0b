"""Seconds until the first training step is done: `python -m benchmarks.first_step glow`.

For each depth and backend a fresh process imports, builds and compiles the
flow of `benchmarks.training`, and takes one step of `fit`, which traces and
compiles all of it; nothing is cached between processes. GPUs are hidden.
"""

import argparse
import sys
import time
from pathlib import Path

from benchmarks import report
from benchmarks.contenders import BACKENDS, BENCHMARKS
from benchmarks.processes import RESULTS, measured, publish, say

DEEP = [name for name, benchmark in BENCHMARKS.items() if "depth" in benchmark.sizes]
STAGES = ("import", "build", "first_step", "whole")
HEADER = (
    "backend", "depth", "parameters", *(f"{stage.replace('_', ' ')}, s (CPU s)" for stage in STAGES)
)  # fmt: skip
QUICK = {"depths": [1, 2], "hidden": 8}


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.first_step", description=__doc__.splitlines()[0]
    )
    parser.add_argument("model", choices=DEEP)
    parser.add_argument("--depths", type=listed(int), default=[4, 8, 16, 32], metavar="A,B,C")
    parser.add_argument("--backends", type=listed(str), default=["tensorflow", "jax"])
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--out", type=Path, help=f"folder for the results [{RESULTS.name}/ here]")
    parser.add_argument(
        "--quick", action="store_true", help=f"only see that it runs: {QUICK}; writes to --out only"
    )
    args = parser.parse_args(argv)
    if args.quick:
        vars(args).update(QUICK)
    if unknown := [name for name in args.backends if name not in BACKENDS]:
        parser.error(f"unknown backends {unknown}; there are {', '.join(BACKENDS)}")
    if min(*args.depths, args.hidden, args.batch) < 1:
        parser.error("--depths, --hidden and --batch must be 1 or more")
    return args


def listed(kind):
    return lambda text: [kind(part) for part in text.split(",")]


def run_all(args):
    """One entry for each depth and backend; one that failed says why."""
    runs = []
    for depth in args.depths:
        for backend in args.backends:
            sizes = {**BENCHMARKS[args.model].sizes, "depth": depth, "hidden": args.hidden}
            task = {"model": args.model, "sizes": sizes, "batch": args.batch}
            entry = {"backend": backend, "depth": depth}
            try:
                task["started"] = time.time()
                entry |= measured("first_step_worker", task, backend)
            except RuntimeError as error:
                entry["failed"] = str(error).splitlines()[-1]
            runs.append(entry)
            say(" ".join(row(entry)))
    return runs


def row(entry):
    if "failed" in entry:
        rest = [f"failed: {entry['failed']}", *[""] * len(STAGES)]
    else:
        costs = [entry[stage] for stage in STAGES]
        rest = [f"{c['wall_s']:.1f} ({c['cpu_s']:.1f})" for c in costs]
        rest = [f"{entry['parameters']:,}", *rest]
    return (entry["backend"], str(entry["depth"]), *rest)


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    args = parse(argv)
    result = report.setting("first_step", argv)
    result["options"] = {key: getattr(args, key) for key in ("depths", "hidden", "batch")}
    result["runs"] = runs = run_all(args)
    levels = BENCHMARKS[args.model].sizes["levels"]
    how = f"{levels} scales of `depth` steps, {args.hidden} hidden channels, batch {args.batch}"
    notes = "One process each. The first step traces and compiles; `whole` is from process start."
    title = f"From nothing to the first training step, {args.model}"
    page = report.page(title, how, result, HEADER, map(row, runs), notes)
    publish(f"first_step_{args.model}", page, result, args.out or (None if args.quick else RESULTS))
    return 1 if any("failed" in run for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
