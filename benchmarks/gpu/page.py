"""The tables of the full-size runs, as markdown."""

RUNS = {
    "nice": "NICE on MNIST, blog",
    "nice_paper": "NICE on MNIST, paper",
    "faces": "Glow on 64x64 faces",
    "cifar10": "Glow on CIFAR-10, paper",
}
PUBLISHED = {
    "nice": "-2200",
    "nice_paper": "1980.50 after 1500 epochs",
    "faces": "",
    "cifar10": "3.35; re-implementations 3.63 after 10 epochs, 3.56 after 20, 3.49 after 80",
}
HEADER = (
    "run", "device", "steps", "training, min", "s an epoch", "pictures/s", "TFLOP/s",
    "of the matrix rate", "peak memory, GiB", "on the test set", "published",
)  # fmt: skip
STEPS_HEADER = (
    "contender", "pictures/s", "ms a step", "TFLOP/s", "of the matrix rate", "step time / floor",
    "speed / by hand", "first step, s", "peak memory, GiB", "XLA: TFLOP, GiB a step", "loss",
)  # fmt: skip
NOTES = (
    "A training step is assumed to need six times the multiply-adds of one pass. The matrix rate "
    "is that of 8192 x 8192 products in bfloat16 unless stated otherwise below. Seconds an epoch "
    "are the median without the first epoch, validation and samples included; pictures/s are "
    "computed from them."
)


def number(value, digits=2):
    return "" if value is None else f"{value:.{digits}f}"


def row(name, run):
    kind = f"{run['device_kind']}, {run['backend']}" + ", bfloat16" * run["mixed_precision"]
    steps = f"{run['steps']:,} ({run['epochs']} epochs)"
    return (
        RUNS[name], kind, steps, number(run["training_minutes"], 1),
        number(run["seconds_an_epoch"]), number(run["pictures_per_s"], 0), number(run["tflops"], 1),
        number(run["of_matrix_rate"]), number(run["device_peak_gib"]), run["result"],
        PUBLISHED[name],
    )  # fmt: skip


def steps_row(name, s):
    low, high = s["rounds"][0], s["rounds"][-1]
    xla = s["compiled"] and f"{s['compiled']['tflop']:.3g}, {s['compiled']['gib']:.3g}"
    return (
        name, f"{s['pictures_per_s']:.0f} ({low:.0f}..{high:.0f})",
        number(1000 * s["seconds_a_step"], 1), number(s["tflops"], 1), number(s["of_matrix_rate"]),
        number(s["step_time_over_floor"], 3), number(s["speed_over_by_hand"], 3),
        number(s["first_step_s"], 0), number(s["device_peak_gib"]), xla or "",
        f"{s['losses'][0]:.0f} -> {s['losses'][1]:.0f}",
    )  # fmt: skip


def table(header, rows):
    return "\n".join(f"|{'|'.join(map(str, r))}|" for r in (header, ("-",) * len(header), *rows))


def page(summary):
    """The summary as markdown."""
    parts = ["# Full-size runs"]
    if summary["runs"]:
        runs = summary["runs"].items()
        parts += [table(HEADER, [row(*run) for run in runs]), NOTES]
        parts += ["\n".join(f"- {RUNS[name]}, {r['date']}: `{r['command']}`" for name, r in runs)]
    if "steps" in summary:
        s = summary["settings_of_steps"]
        kind = next((c["device_kind"] for c in summary["steps"].values()), "nothing measured yet")
        parts += [
            f"## Training steps: {kind}, {s['backend']}, {'bfloat16' if s['mixed'] else 'float32'}",
            f"{s['sizes']}, batch {s['batch']}, {s['steps']} steps after {s['warmup']} of warm-up. "
            f"Matrix rate: {number(summary['matrix_tflops'], 1)} TFLOP/s, products of "
            f"{summary['matrix_size']} x {summary['matrix_size']} in bfloat16. `flow` and `floor` "
            "(the networks alone) run in `fit`; `step` is the step that `fit` compiles, in a plain "
            "loop; `unrolled` is that step with unstacked layers; `by_hand` is the same Glow "
            "without Keras in that loop.",
            table(STEPS_HEADER, [steps_row(*item) for item in summary["steps"].items()]),
        ]
    for name, run in {**summary["runs"], **summary["unfinished"]}.items():
        unit = "nats" if name.startswith("nice") else "bits/dim"
        header = ("epochs", "steps", "passes", f"training, {unit}", f"held out, {unit}")
        title = f"## {RUNS[name]}, by steps"
        if name in summary["unfinished"]:
            title += f": to go on, {number(run['seconds_an_epoch'])} s an epoch"
        parts += [title, table(header, map(curve_row, run["curve"]))]
    return "\n\n".join(parts) + "\n"


def curve_row(point):
    steps = "" if point["steps"] is None else f"{point['steps']:,}"
    losses = (number(point[key], 3) for key in ("training", "held_out"))
    return (point["epoch"], steps, number(point["passes"], 1), *losses)
