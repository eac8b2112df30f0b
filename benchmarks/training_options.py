"""Training speed by options of Keras: `python -m benchmarks.training_options nice`, or glow.

Each setting runs in a process of its own, on one backend after another; settings alternate over
several rounds. GPUs are hidden.
"""

import sys
from dataclasses import dataclass, field
from statistics import median

from benchmarks import command_line, report
from benchmarks.contenders import BACKENDS, BENCHMARKS
from benchmarks.processes import measured, publish
from benchmarks.rounds import exit_status, run_rounds


@dataclass(frozen=True)
class Setting:
    """One line of the table: a backend, options of `compile`, a dtype policy, the environment."""

    backend: str
    compile: dict = field(default_factory=dict)
    policy: str = "float32"
    env: dict = field(default_factory=dict)

    @property
    def needs(self):
        return (self.backend,)


DEFAULT = "as it comes"
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "8000000000"}  # of glibc
SETTINGS = {
    DEFAULT: {},
    "mixed_bfloat16": {"policy": "mixed_bfloat16"},
    "steps_per_execution=10": {"compile": {"steps_per_execution": 10}},
    "jit_compile=True": {"compile": {"jit_compile": True}},
    "memory kept": {"env": KEEP_MEMORY},
}
SUPPORTED = {  # backends of the settings that not all of them have
    "steps_per_execution=10": ("tensorflow", "jax"),  # on torch Keras takes one step at a time
    "jit_compile=True": ("tensorflow",),  # JAX compiles anyway, torch needs a C++ compiler
}
HEADER = (
    "backend",
    "setting",
    "samples/s (min..max)",
    "speed / as it comes",
    "CPU ms a step",
    "loss",
)
QUICK = {"rounds": 1, "steps": 10, "backends": ["tensorflow"]}


def parse(argv):
    parser = command_line.parser("training_options", __doc__, QUICK, BACKENDS)
    parser.add_argument("model", choices=("nice", "glow"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=30, help="steps measured, after ten")
    args = command_line.parsed(parser, argv)
    if args.rounds < 1 or args.steps < 10 or args.steps % 10:
        parser.error("--rounds must be 1 or more, and --steps a multiple of 10")
    return args


def settings_of(backends):
    """The settings that each backend supports, by "backend, name"."""
    return {
        f"{backend}, {name}": Setting(backend, **options)
        for backend in backends
        for name, options in SETTINGS.items()
        if backend in SUPPORTED.get(name, BACKENDS)
    }


def run(args, setting):
    """The figures of one setting, from a process of its own."""
    task = {
        "model": args.model,
        "contender": f"keras_flows-{setting.backend}",
        "data": "synthetic",
        "batch": BENCHMARKS[args.model].batch,
        "steps": args.steps,
        "warmup": 10,
        "policy": setting.policy,
        **setting.compile,
    }
    return measured("training", task, setting.backend, env=setting.env)


def rows(runs, left_out):
    for name, rounds in runs.items():
        backend, setting = name.split(", ", 1)
        default = runs.get(f"{backend}, {DEFAULT}", {})
        speed, base = (
            {r: figures["samples_per_s"] for r, figures in entry.items()}
            for entry in (rounds, default)
        )
        values, gain = sorted(speed.values()), report.ratio(speed, base)
        yield (
            backend,
            setting,
            f"{median(values):.0f} ({values[0]:.0f}..{values[-1]:.0f})",
            "" if gain is None else f"{gain:.2f}",
            f"{1000 * median(figures['cpu_s_per_step'] for figures in rounds.values()):.0f}",
            f"{rounds[0]['first_loss']:.1f} -> {rounds[0]['last_loss']:.1f}",
        )
    for name, reason in left_out.items():
        yield (*name.split(", ", 1), reason, "", "", "")


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    args = parse(argv)
    result, settings = report.run_info("training_options", argv), settings_of(args.backends)
    runs, left_out = run_rounds(
        list(settings),
        settings,
        args.rounds,
        lambda name: run(args, settings[name]),
        lambda figures: f"{figures['samples_per_s']:.0f} samples/s",
    )
    result |= {"left_out": left_out, "runs": runs}
    benchmark = BENCHMARKS[args.model]
    how = f"batch {benchmark.batch}, {args.steps} steps after 10, rounds: {args.rounds}"
    variables = " ".join(f"{key}={value}" for key, value in KEEP_MEMORY.items())
    notes = f"{report.MEDIANS}Memory kept: glibc returns no memory to the system, `{variables}`."
    title = f"Options of training, {benchmark.title}"
    page = report.page(title, how, result, HEADER, rows(runs, left_out), notes)
    publish(f"training_options_{args.model}", page, result, args.out)
    return exit_status(runs, left_out)


if __name__ == "__main__":
    sys.exit(main())
