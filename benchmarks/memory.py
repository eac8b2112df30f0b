"""Memory of training by `backprop`, what the backward pass keeps: `python -m benchmarks.memory`.

For each backend, depth of Glow and `backprop` a new process trains for a few steps. GPUs are
hidden; memory is the resident memory of the process.
"""

import sys

from benchmarks import command_line, report
from benchmarks.contenders import BENCHMARKS
from benchmarks.processes import attempted, exit_status, measured, publish, say
from keras_flows.core.scope import BACKPROP

HEADER = (
    "backend", "backprop", "depth", "activations, MiB", "of the smallest depth's",
    "planned by XLA, MiB", "of the smallest depth's", "step, s", "step / ordinary",
    "peak of the process, MiB", "weights, MiB",
)  # fmt: skip
QUICK = {"depths": [1, 2], "hidden": 8, "batch": 4, "steps": 1, "backends": ["tensorflow"]}


def parse(argv):
    parser = command_line.parser("memory", __doc__, QUICK, ("tensorflow", "jax"))
    parser.add_argument("--depths", type=command_line.listed(int), default=[4, 32], metavar="A,B,C")
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=3, help="number of timed steps")
    args = command_line.parsed(parser, argv)
    command_line.at_least_one(parser, args, "depths", "hidden", "batch", "steps")
    return args


def run_all(args):
    """One entry for each backend, mode and depth; ratios within a backend."""
    runs = []
    for backend in args.backends:
        for depth in args.depths:
            for mode in BACKPROP:
                sizes = {**BENCHMARKS["glow"].sizes, "depth": depth, "hidden": args.hidden}
                task = {"sizes": sizes, "backprop": mode, "batch": args.batch, "steps": args.steps}
                entry = {"backend": backend, "depth": depth, "backprop": mode or "ordinary"}
                entry |= attempted(measured, "memory", task, backend)
                if "failed" not in entry:
                    entry["activations"] = entry["peak"] - entry["held"]
                runs.append(entry)
                say(f"{backend} {depth} {mode}: {entry}")
    for run in runs:
        _compare(run, runs)
    return runs


def _compare(run, runs):
    """Adds the ratios to the smallest depth and to the ordinary backward pass."""

    def find(**changes):
        keys = {"backend": run["backend"], "backprop": run["backprop"], **changes}
        return next(r for r in runs if all(r[k] == v for k, v in keys.items()))

    smallest = find(depth=min(r["depth"] for r in runs))
    ordinary = find(depth=run["depth"], backprop="ordinary")
    if not any("failed" in r for r in (run, smallest, ordinary)):
        run["of_least_depth"] = run["activations"] / smallest["activations"]
        if run["planned"]:
            run["planned_of_least_depth"] = run["planned"] / smallest["planned"]
        run["slowdown"] = run["step_s"] / ordinary["step_s"]


def row(run):
    head = (run["backend"], run["backprop"], str(run["depth"]))
    if "slowdown" not in run:
        return (*head, run.get("failed", ""), *[""] * (len(HEADER) - 4))
    planned = ("", "")
    if run["planned"]:
        planned = (f"{run['planned'] / 2**20:.0f}", f"{run['planned_of_least_depth']:.2f}")
    return (
        *head,
        f"{run['activations'] / 2**20:.0f}",
        f"{run['of_least_depth']:.2f}",
        *planned,
        f"{run['step_s']:.2f}",
        f"{run['slowdown']:.2f}",
        f"{run['peak'] / 2**20:.0f}",
        f"{run['weights'] / 2**20:.0f}",
    )


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    args = parse(argv)
    result = report.run_info("memory", argv)
    result["options"] = {k: getattr(args, k) for k in ("depths", "hidden", "batch", "steps")}
    result["runs"] = runs = run_all(args)
    how = f"Glow, 32x32x3, 3 scales of `depth` steps, {args.hidden} channels, batch {args.batch}"
    notes = (
        "Activations: the largest resident memory during steps minus the largest during steps of "
        "one picture (weights, moments, gradients, program), each after a first step that traces "
        "and compiles. Planned: the same by the size of the temporaries in the program that XLA "
        "compiles for JAX, which is exact. One process each; `ordinary` keeps all activations."
    )
    page = report.page("Memory of training", how, result, HEADER, map(row, runs), notes)
    publish("memory", page, result, args.out)
    return exit_status(runs)


if __name__ == "__main__":
    sys.exit(main())
