"""Samples per second of training: `python -m benchmarks.training nice`, or another model.

Each contender runs in a process of its own, one at a time, with all CPU threads. Contenders
alternate over several rounds, so that a ratio within a round compares figures that were taken
minutes apart at most. GPUs are hidden. Whole steps are timed, from data to updated weights: Keras
models in `fit`, others in a plain training loop as their users write it (`training_loops/torch.py`
and `training_loops/jax.py` say how).
"""

import sys

from benchmarks import command_line, report
from benchmarks.contenders import BENCHMARKS
from benchmarks.processes import ROOT, measured, publish
from benchmarks.rounds import exit_status, run_rounds
from benchmarks.workers.training import MNIST

QUICK = {"rounds": 1, "steps": 2, "warmup": 1, "batch": 16}


def parse(argv):
    parser = command_line.parser("training", __doc__, QUICK)
    parser.add_argument("model", choices=BENCHMARKS)
    command_line.add_contenders(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30, help="steps measured in each round")
    parser.add_argument("--warmup", type=int, default=5, help="steps before them")
    defaults = ", ".join(f"{name} {model.batch}" for name, model in BENCHMARKS.items())
    parser.add_argument("--batch", type=int, help=f"samples a step [{defaults}]")
    parser.add_argument("--data", choices=("synthetic", "mnist"), default="synthetic")
    args = command_line.parsed(parser, argv)
    benchmark = BENCHMARKS[args.model]
    available = benchmark.contenders
    args.batch = benchmark.batch if args.batch is None else args.batch
    default = [name for name, contender in available.items() if contender.default]
    args.contenders = command_line.chosen(parser, args.contenders, available, default)
    command_line.at_least_one(parser, args, "rounds", "steps", "warmup", "batch")
    if args.data not in benchmark.data:
        parser.error(f"--data {args.data} is not for {args.model}: {', '.join(benchmark.data)}")
    if args.data == "mnist" and not MNIST.exists():
        parser.error(f"--data mnist needs {MNIST.relative_to(ROOT)}")
    return args


def run(args, name):
    """One contender's figures, from a process of its own."""
    task = {key: getattr(args, key) for key in ("model", "data", "batch", "steps", "warmup")}
    backend = BENCHMARKS[args.model].contenders[name].backend
    return measured("training", {**task, "contender": name}, backend)


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    args = parse(argv)
    benchmark = BENCHMARKS[args.model]
    result = report.run_info("training", argv)
    runs, left_out = run_rounds(
        args.contenders,
        benchmark.contenders,
        args.rounds,
        lambda name: run(args, name),
        lambda figures: f"{figures['samples_per_s']:.0f} samples/s",
    )
    best_peer, summary = report.summarise(benchmark, runs)
    options = {key: getattr(args, key) for key in ("rounds", "steps", "warmup", "batch", "data")}
    result |= {
        "options": options,
        "best_peer": best_peer,
        "summary": summary,
        "left_out": left_out,
        "runs": runs,
    }
    publish(f"training_{args.model}", report.markdown(benchmark, result), result, args.out)
    return exit_status(runs, left_out)


if __name__ == "__main__":
    sys.exit(main())
