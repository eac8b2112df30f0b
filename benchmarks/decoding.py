"""Seconds to decode a TarFlow with and without a cache: `python -m benchmarks.decoding`.

Decoding computes one token after another. With the cache each token costs the arithmetic of one
token; without it, a full pass of the same network, compiled in the same way. The flow is that of
`benchmarks.training`, untrained, with a few large and with many small patches. Each backend runs
in a process of its own; contenders alternate. GPUs are hidden.
"""

import sys
from dataclasses import dataclass
from statistics import median

from benchmarks import command_line, report
from benchmarks.contenders import BACKENDS, BENCHMARKS
from benchmarks.processes import measured, publish
from benchmarks.rounds import exit_status, run_rounds

HEADER = (
    "contender", "patches", "with the cache, s (min..max)", "full passes, s (min..max)",
    "full passes / cache", "cache, ms a sample", "encode, s (min..max)", "first call, s",
    "first of full passes, s", "largest difference",
)  # fmt: skip
QUICK = {"rounds": 1, "calls": 1, "batch": 2}


@dataclass(frozen=True)
class Decoder:
    """One line of the table: a backend, and the side of the patches."""

    backend: str
    patch: int

    @property
    def needs(self):
        return ("keras", self.backend)


DECODERS = {f"{b}-{side}x{side}": Decoder(b, side) for side in (4, 2) for b in BACKENDS}


def parse(argv):
    parser = command_line.parser("decoding", __doc__, QUICK)
    command_line.add_contenders(parser)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--calls", type=int, default=3, help="calls with the cache measured in each round"
    )
    parser.add_argument("--batch", type=int, default=16, help="samples in a call")
    args = command_line.parsed(parser, argv)
    args.contenders = command_line.chosen(parser, args.contenders, DECODERS, list(DECODERS))
    command_line.at_least_one(parser, args, "rounds", "calls", "batch")
    return args


def run(args, name):
    """One contender's figures, from a process of its own."""
    decoder = DECODERS[name]
    sizes = {**BENCHMARKS["tarflow"].sizes, "patch": decoder.patch}
    task = {"sizes": sizes, "batch": args.batch, "calls": args.calls}
    return measured("decoding", task, decoder.backend)


def summarise(runs, batch):
    """Each contender's medians over the rounds; ratios are within a round."""
    summary = {}
    for name, rounds in runs.items():
        figures = {key: [run[key] for run in rounds.values()] for key in rounds[min(rounds)]}
        cached, full = ({r: rounds[r][key] for r in rounds} for key in ("cached_s", "full_s"))
        summary[name] = {
            **{key: median(values) for key, values in figures.items()},
            **{f"{key}_min": min(values) for key, values in figures.items()},
            **{f"{key}_max": max(values) for key, values in figures.items()},
            "full_over_cached": report.ratio(full, cached),
            "cached_s_per_sample": median(figures["cached_s"]) / batch,
        }
    return summary


def _rows(result):
    for name, s in result["summary"].items():
        cached, full, encode = (
            report.seconds_and_range(s, key) for key in ("cached_s", "full_s", "encode_s")
        )
        yield (
            name,
            f"{s['patches']:.0f}",
            cached,
            full,
            f"{s['full_over_cached']:.1f}",
            f"{1000 * s['cached_s_per_sample']:.2f}",
            encode,
            f"{s['first_cached_s']:.1f}",
            f"{s['first_full_s']:.1f}",
            f"{s['difference_max']:.1e}",
        )
    yield from report.left_out_rows(result["left_out"], HEADER)


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    args = parse(argv)
    result = report.run_info("decoding", argv)
    runs, left_out = run_rounds(
        args.contenders,
        DECODERS,
        args.rounds,
        lambda name: run(args, name),
        lambda f: f"{f['cached_s']:.3f} s with the cache, {f['full_s']:.3f} s with full passes",
    )
    result["options"] = {key: getattr(args, key) for key in ("rounds", "calls", "batch")}
    result |= {"summary": summarise(runs, args.batch), "left_out": left_out, "runs": runs}
    how = (
        f"{args.batch} samples a call, in each round the median of {args.calls} calls with the "
        f"cache and one call with full passes, rounds: {args.rounds}"
    )
    notes = (
        f"{report.MEDIANS}Both methods decode the same latents; the difference is relative to the "
        "largest number of a sample. First calls include tracing and compiling, if the backend "
        "does so, and are not among the others. The same samples are encoded. Weights are random "
        "and small."
    )
    title = (
        "Decoding with and without a cache, TarFlow: {image_shape}, {blocks} blocks of "
        "{layers_per_block} transformer layers of {channels} channels"
    ).format(**BENCHMARKS["tarflow"].sizes)
    page = report.page(title, how, result, HEADER, _rows(result), notes)
    publish("decoding", page, result, args.out)
    return exit_status(runs, left_out)


if __name__ == "__main__":
    sys.exit(main())
