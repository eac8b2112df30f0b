"""Seconds until the first training step is done: `python -m benchmarks.first_step glow`.

For each depth and backend a new process imports, builds and compiles the flow of
`benchmarks.training` and takes one step of `fit`, which traces and compiles all of it. Processes
share no cache. `--floor` also measures the networks alone; they are taken from a flow, so building
them includes building it. GPUs are hidden.
"""

import itertools
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import command_line, report
from benchmarks.contenders import BENCHMARKS
from benchmarks.processes import attempted, exit_status, measured, publish, say


@dataclass(frozen=True)
class Repeated:
    """What a model repeats, how often by default, and the width of its networks."""

    title: str
    depth_option: str
    depths: tuple
    width: int
    width_options: Callable


MODELS = {
    "glow": Repeated(
        "3 scales of `depth` steps", "depth", (4, 8, 16, 32), 512, lambda n: {"hidden": n}
    ),
    "maf": Repeated(
        "`depth` autoregressive steps", "steps", (5, 10, 20), 512, lambda n: {"hidden": (n, n)}
    ),
    "tarflow": Repeated(
        "`depth` blocks of 8 attention layers",
        "blocks",
        (2, 4, 8),
        128,
        lambda n: {"channels": n, "layers_per_block": 8},
    ),
}
STAGES = ("import", "build", "first_step", "whole")
HEADER = (
    "contender", "depth", "parameters",
    *(f"{stage.replace('_', ' ')}, s (CPU s)" for stage in STAGES),
)  # fmt: skip
QUICK = {"depths": [1, 2], "width": 8}


def parse(argv):
    parser = command_line.parser("first_step", __doc__, QUICK, ("tensorflow", "jax"))
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--depths", type=command_line.listed(int), metavar="A,B,C")
    parser.add_argument("--width", type=int, help="width of the networks")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--floor", action="store_true", help="also measure the networks alone")
    args = command_line.parsed(parser, argv)
    model, batch = MODELS[args.model], BENCHMARKS[args.model].batch
    defaults = {"depths": list(model.depths), "width": model.width, "batch": batch}
    vars(args).update({k: v for k, v in defaults.items() if getattr(args, k) is None})
    command_line.at_least_one(parser, args, "depths", "width", "batch")
    return args


def run_all(args):
    """One entry for each depth and contender; an entry that failed has the reason."""
    runs, model = [], MODELS[args.model]
    kinds = ("keras_flows", "floor") if args.floor else ("keras_flows",)
    for depth, backend, kind in itertools.product(args.depths, args.backends, kinds):
        sizes = {**BENCHMARKS[args.model].sizes, **model.width_options(args.width)}
        sizes[model.depth_option] = depth
        name = f"{kind}-{backend}"
        task = {"model": args.model, "contender": name, "sizes": sizes, "batch": args.batch}
        task["started"] = time.time()
        figures = attempted(measured, "first_step", task, backend)
        runs.append({"contender": name, "depth": depth, **figures})
        say(" ".join(row(runs[-1])))
    return runs


def row(entry):
    if "failed" in entry:
        rest = [f"failed: {entry['failed']}", *[""] * len(STAGES)]
    else:
        costs = [entry[stage] for stage in STAGES]
        rest = [f"{c['wall_s']:.1f} ({c['cpu_s']:.1f})" for c in costs]
        rest = [f"{entry['parameters']:,}", *rest]
    return (entry["contender"], str(entry["depth"]), *rest)


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    args = parse(argv)
    result = report.run_info("first_step", argv)
    result["options"] = {key: getattr(args, key) for key in ("depths", "width", "batch")}
    result["runs"] = runs = run_all(args)
    how = f"{MODELS[args.model].title}, networks {args.width} wide, batch {args.batch}"
    notes = "One process each. The first step traces and compiles; `whole` starts with the process."
    title = f"From process start to the first training step, {args.model}"
    page = report.page(title, how, result, HEADER, map(row, runs), notes)
    publish(f"first_step_{args.model}", page, result, args.out)
    return exit_status(runs)


if __name__ == "__main__":
    sys.exit(main())
