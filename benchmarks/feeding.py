"""How long it takes to feed `fit` with data: `python -m benchmarks.feeding`.

For each backend a new process reads batches of each script's kind of data through `Shuffled`, the
data set class of all scripts: by itself, and in the `fit` of a flow that computes almost nothing,
whose step is then the shortest possible. GPUs are hidden.
"""

import sys

from benchmarks import command_line, report
from benchmarks.contenders import BACKENDS
from benchmarks.processes import measured, publish, say

# As in the scripts: shape of a sample, number of samples, batch size, whether they are mirrored.
CASES = {
    "nice_mnist": {"shape": (784,), "dtype": "float32", "rows": 55000, "batch": 128},
    "maf_tabular, BSDS300": {"shape": (63,), "dtype": "float32", "rows": 1000000, "batch": 100},
    "glow_mnist": {"shape": (28, 28, 1), "dtype": "uint8", "rows": 55000, "batch": 32},
    "glow_cifar10": {
        "shape": (32, 32, 3), "dtype": "uint8", "rows": 45000, "batch": 64, "flip": True
    },
    "glow_celeba, 64x64, a file": {
        "shape": (64, 64, 3), "dtype": "uint8", "rows": 30000, "batch": 64, "flip": True,
        "mapped": True,
    },
}  # fmt: skip
HEADER = ("data", "backend", "batch", "a batch alone, ms", "a step of `fit`, ms", "samples/s")
QUICK = {"steps": 5, "backends": ["tensorflow"], "scale": 0.01}


def parse(argv):
    parser = command_line.parser("feeding", __doc__, QUICK, BACKENDS)
    parser.add_argument("--steps", type=int, default=100, help="number of timed batches")
    parser.add_argument("--scale", type=float, default=1.0, help="factor of the data sets' sizes")
    args = command_line.parsed(parser, argv)
    if args.steps < 2 or not 0 < args.scale <= 1:
        parser.error("--steps must be 2 or more, and --scale in (0, 1]")
    return args


def run_all(args):
    runs = []
    for name, case in CASES.items():
        case = {**case, "rows": max(case["batch"], int(case["rows"] * args.scale))}
        for backend in args.backends:
            entry = {"data": name, "backend": backend, "batch": case["batch"]}
            entry |= measured("feeding", {"case": case, "steps": args.steps}, backend)
            runs.append(entry)
            say(" ".join(row(entry)))
    return runs


def row(entry):
    return (
        *(str(entry[key]) for key in ("data", "backend", "batch")),
        f"{1000 * entry['alone_s']:.2f}",
        f"{1000 * entry['step_s']:.2f}",
        f"{entry['batch'] / entry['step_s']:.0f}",
    )


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    args = parse(argv)
    result = report.run_info("feeding", argv)
    result["runs"] = runs = run_all(args)
    how = f"medians of {args.steps} batches; arrays in memory, and one mapped from a file"
    notes = (
        "One process each. `fit` trains a flow of one scaling: its step is Keras' overhead, "
        "waiting for data, and little arithmetic. A model with a longer step does not wait for "
        "data."
    )
    page = report.page("Feeding training", how, result, HEADER, map(row, runs), notes)
    publish("feeding", page, result, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
