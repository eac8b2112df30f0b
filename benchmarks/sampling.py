"""Seconds to draw samples and to compute their densities: `python -m benchmarks.sampling maf`.

An autoregressive density takes one pass of the network, and sampling computes one dimension
after another. A flow of couplings takes one pass in both directions. The flows are those of
`benchmarks.training`, untrained, each in a process of its own; contenders alternate and use the
same batches. The first call of each kind is not counted. GPUs are hidden.
"""

import sys
from statistics import median

from benchmarks import command_line, report
from benchmarks.contenders import BENCHMARKS
from benchmarks.processes import measured, publish
from benchmarks.rounds import exit_status, run_rounds

VECTORS = [name for name, benchmark in BENCHMARKS.items() if "steps" in benchmark.sizes]
ROWS = {"nice": 10_000, "glow": 1000, **dict.fromkeys(VECTORS, 1000)}
BATCH = {"nice": 1000, "glow": 100}
HEADER = (
    "contender", "sample, s (min..max)", "density, s (min..max)", "sample / density",
    "CPU s of both", "best peer's sample / this one's", "first sample, s", "mean density, nats",
)  # fmt: skip
QUICK = {"rounds": 1, "calls": 1, "rows": 8}


def parse(argv):
    parser = command_line.parser("sampling", __doc__, QUICK)
    parser.add_argument("model", choices=ROWS)
    command_line.add_contenders(parser)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=3, help="calls measured in each round")
    rows, batches = (", ".join(f"{k} {n}" for k, n in sizes.items()) for sizes in (ROWS, BATCH))
    parser.add_argument("--rows", type=int, help=f"samples in a call [{rows}]")
    parser.add_argument(
        "--batch", type=int, help=f"largest batch [{batches}, others all samples at once]"
    )
    args = command_line.parsed(parser, argv)
    args.rows = ROWS[args.model] if args.rows is None else args.rows
    largest = BATCH.get(args.model, args.rows) if args.batch is None else args.batch
    args.batch = min(largest, args.rows)
    contenders = BENCHMARKS[args.model].contenders
    available = {name: c for name, c in contenders.items() if not name.startswith("floor")}
    default = [name for name, contender in available.items() if contender.default]
    args.contenders = command_line.chosen(parser, args.contenders, available, default)
    command_line.at_least_one(parser, args, "rounds", "calls", "rows", "batch")
    return args


def run(args, name):
    """One contender's figures, from a process of its own."""
    benchmark = BENCHMARKS[args.model]
    task = {key: getattr(args, key) for key in ("model", "rows", "batch", "calls")}
    task |= {"contender": name, "sizes": benchmark.sizes}
    return measured("sampling", task, benchmark.contenders[name].backend)


def summarise(contenders, runs):
    """The best peer, and each contender's medians over the rounds; ratios are within a round."""

    def times(name, key):
        return {r: result[key] for r, result in runs[name].items()}

    peers = [name for name in runs if contenders[name].peer]
    best = min(peers, key=lambda name: median(times(name, "sample_s").values()), default=None)
    summary = {}
    for name in runs:
        sample, density = times(name, "sample_s"), times(name, "density_s")
        summary[name] = {
            **_median_and_range("sample_s", sample.values()),
            **_median_and_range("density_s", density.values()),
            "sample_over_density": report.ratio(sample, density),
            "speed_over_best_peer": report.ratio(times(best, "sample_s") if best else {}, sample),
            **{key: median(times(name, key).values()) for key in ("sample_cpu_s", "density_cpu_s")},
            "first_sample_s": median(times(name, "first_sample_s").values()),
            "mean_density": median(times(name, "mean_density").values()),
        }
    return best, summary


def _median_and_range(key, values):
    return {key: median(values), f"{key}_min": min(values), f"{key}_max": max(values)}


def _rows(result):
    for name, s in result["summary"].items():
        yield (
            name,
            *(report.seconds_and_range(s, key) for key in ("sample_s", "density_s")),
            f"{s['sample_over_density']:.2f}",
            f"{s['sample_cpu_s']:.3f}, {s['density_cpu_s']:.3f}",
            "" if s["speed_over_best_peer"] is None else f"{s['speed_over_best_peer']:.2f}",
            f"{s['first_sample_s']:.1f}",
            f"{s['mean_density']:.1f}",
        )
    yield from report.left_out_rows(result["left_out"], HEADER)


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    args = parse(argv)
    benchmark = BENCHMARKS[args.model]
    result = report.run_info("sampling", argv)
    runs, left_out = run_rounds(
        args.contenders,
        benchmark.contenders,
        args.rounds,
        lambda name: run(args, name),
        lambda f: f"samples {f['sample_s']:.3f} s, densities {f['density_s']:.3f} s",
    )
    best_peer, summary = summarise(benchmark.contenders, runs)
    options = {key: getattr(args, key) for key in ("rounds", "calls", "rows", "batch")}
    result |= {"options": options, "best_peer": best_peer, "summary": summary}
    result |= {"left_out": left_out, "runs": runs}
    how = (
        f"{args.rows} rows a call in batches of {args.batch}, medians of {args.calls} calls a "
        f"round, rounds: {args.rounds}"
    )
    notes = (
        f"{report.MEDIANS}The first sample includes tracing and compiling, if the backend does "
        "so. Densities are those of the samples. "
        f"{report.note_by_hand(summary)}{report.CPU_TIME} Best peer: {best_peer or 'none ran'}."
    )
    page = report.page(f"Sampling, {benchmark.title}", how, result, HEADER, _rows(result), notes)
    publish(f"sampling_{args.model}", page, result, args.out)
    return exit_status(runs, left_out)


if __name__ == "__main__":
    sys.exit(main())
