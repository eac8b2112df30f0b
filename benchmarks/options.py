"""What options do to training speed: `python -m benchmarks.options nice`, or glow.

Each way of training runs in a process of its own, on one backend after the
other, and takes turns with the others over several rounds. GPUs are hidden.
"""

import sys
from dataclasses import dataclass, field
from statistics import median

from benchmarks import command, report
from benchmarks.contenders import BACKENDS, BENCHMARKS
from benchmarks.processes import measured, publish
from benchmarks.rounds import interleaved, status


@dataclass(frozen=True)
class Way:
    """One line of the table: a backend, options of `compile`, a dtype policy, the environment."""

    backend: str
    compile: dict = field(default_factory=dict)
    policy: str = "float32"
    env: dict = field(default_factory=dict)

    @property
    def needs(self):
        return (self.backend,)


KEEP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "8000000000"}  # of glibc
WAYS = {
    "as it comes": {},
    "mixed_bfloat16": {"policy": "mixed_bfloat16"},
    "steps_per_execution=10": {"compile": {"steps_per_execution": 10}},
    "jit_compile=True": {"compile": {"jit_compile": True}},
    "memory kept": {"env": KEEP},
}
HAVE = {
    "steps_per_execution=10": ("tensorflow", "jax"),
    "jit_compile=True": ("tensorflow",),  # JAX compiles anyway, torch needs a C++ compiler
}
HEADER = ("backend", "way", "samples/s (min..max)", "speed / as it comes", "CPU ms a step", "loss")
QUICK = {"rounds": 1, "steps": 10, "backends": ["tensorflow"]}


def parse(argv):
    parser = command.parser("options", __doc__, QUICK, BACKENDS)
    parser.add_argument("model", choices=("nice", "glow"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=30, help="steps measured, after ten")
    args = command.parsed(parser, argv)
    if args.rounds < 1 or args.steps < 10 or args.steps % 10:
        parser.error("--rounds must be 1 or more, and --steps a multiple of 10")
    return args


def ways(backends):
    """Those that a backend has: on torch Keras takes one step at a time."""
    return {
        f"{backend}, {name}": Way(backend, **options)
        for backend in backends
        for name, options in WAYS.items()
        if backend in HAVE.get(name, BACKENDS)
    }


def run(args, way):
    task = {
        "model": args.model,
        "contender": f"keras_flows-{way.backend}",
        "data": "synthetic",
        "batch": BENCHMARKS[args.model].batch,
        "steps": args.steps,
        "warmup": 10,
        "policy": way.policy,
        **way.compile,
    }
    return measured("training", task, way.backend, env=way.env)


def rows(runs, left_out):
    for name, rounds in runs.items():
        backend, way = name.split(", ", 1)
        usual = runs.get(f"{backend}, as it comes", {})
        speed, base = (
            {r: found["samples_per_s"] for r, found in one.items()} for one in (rounds, usual)
        )
        values, gain = sorted(speed.values()), report.ratio(speed, base)
        yield (
            backend,
            way,
            f"{median(values):.0f} ({values[0]:.0f}..{values[-1]:.0f})",
            "" if gain is None else f"{gain:.2f}",
            f"{1000 * median(found['cpu_s_per_step'] for found in rounds.values()):.0f}",
            f"{rounds[0]['first_loss']:.1f} -> {rounds[0]['last_loss']:.1f}",
        )
    for name, why in left_out.items():
        yield (*name.split(", ", 1), why, "", "", "")


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    args = parse(argv)
    result, known = report.setting("options", argv), ways(args.backends)
    runs, left_out = interleaved(
        list(known),
        known,
        args.rounds,
        lambda name: run(args, known[name]),
        lambda figures: f"{figures['samples_per_s']:.0f} samples/s",
    )
    result |= {"left_out": left_out, "runs": runs}
    benchmark = BENCHMARKS[args.model]
    how = f"batch {benchmark.batch}, {args.steps} steps after 10, rounds: {args.rounds}"
    kept = " ".join(f"{key}={value}" for key, value in KEEP.items())
    notes = (
        "Medians over the rounds; ratios are medians of the ratios within a round. "
        f"Memory kept: glibc gives none back to the system, `{kept}`."
    )
    title = f"Options of training, {benchmark.title}"
    page = report.page(title, how, result, HEADER, rows(runs, left_out), notes)
    publish(f"options_{args.model}", page, result, args.out)
    return status(runs, left_out)


if __name__ == "__main__":
    sys.exit(main())
