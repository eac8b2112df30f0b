"""Tables of the full-size runs: what `benchmarks.gpu` has found so far, as gpu.md and gpu.json."""

import json
from statistics import median

import numpy as np

from benchmarks.gpu_steps import RESULTS
from benchmarks.processes import write
from benchmarks.report import ratio

RUNS = {
    "nice": "NICE on MNIST, blog",
    "nice_paper": "NICE on MNIST, paper",
    "faces": "Glow on 64x64 faces, blog",
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
    "A training step is taken to need six times the multiply-adds of one pass; the matrix rate is "
    "that of 8192 x 8192 products in bfloat16 unless told otherwise below. Seconds an epoch are "
    "the median of all but the first, with validation and samples, and pictures/s follow from them."
)


def summary(out):
    """Figures of every run in the folder `out`, and of the training steps."""
    path = out / RESULTS
    steps = json.loads(path.read_text()) if path.exists() else None
    ceiling = next(iter(steps["runs"].get("ceiling", {}).values()), {}) if steps else {}
    rate = ceiling.get("matrix_tflops")
    runs = {}
    for name in RUNS:
        file = out / name / "metrics.json"
        metrics = json.loads(file.read_text()) if file.exists() else {}
        if metrics.get("epochs"):  # an interrupted run may have none
            runs[name] = figures(name, metrics, rate)
    found = {"matrix_tflops": rate, "matrix_size": ceiling.get("matrix_size"), "runs": runs}
    if steps:
        found["steps"] = contenders(steps, ceiling)
        found["settings_of_steps"] = steps["settings"]
    return found


def figures(name, metrics, rate):
    """What the table says of one run."""
    machine, epochs, test = metrics["machine"], metrics["epochs"], metrics["test"]
    seconds = median(row["seconds"] for row in epochs[1:] or epochs)
    a_step = metrics["settings"]["batch_size"]
    speed = a_step * metrics["steps_per_epoch"] / seconds
    tflops = 6 * metrics["multiply_adds"] * speed / 1e12
    return {
        **{key: metrics[key] for key in ("command", "date", "best_epoch", "interrupted")},
        **{key: machine[key] for key in ("backend", "device_kind", "device_peak_gib", "versions")},
        "mixed_precision": metrics["settings"]["mixed_precision"],
        "epochs": len(epochs),
        "steps": len(epochs) * metrics["steps_per_epoch"],
        "training_minutes": sum(row["seconds"] for row in epochs) / 60,
        "seconds_an_epoch": seconds,
        "pictures_per_s": speed,
        "tflops": tflops,
        "of_matrix_rate": rate and tflops / rate,
        "test": test,
        "result": result(name, test, epochs),
        "curve": curve(metrics),
    }


def result(name, test, epochs):
    if name == "nice":
        loss = test["blog_loss_without_noise"]
        return f"{loss:.0f} nats, the blog's loss; {epochs[-1]['blog_loss']:.0f} in training"
    if name == "nice_paper":
        return f"{test['log_likelihood_of_unit_interval']:.1f} nats"
    return f"{test['bits_per_dim']:.3f} +- {2 * test['standard_error']:.3f} bits/dim (2 s.e.)"


def curve(metrics):
    """Steps, epochs and losses, about a dozen of them, the last one among them."""
    epochs, steps = metrics["epochs"], metrics["steps_per_epoch"]
    chosen = sorted(set(np.linspace(0, len(epochs) - 1, 12).round().astype(int).tolist()))
    unit = "bits_per_dim" if "bits_per_dim" in epochs[0] else "loss"
    seen = steps * metrics["settings"]["batch_size"]
    pictures = metrics.get("training_pictures")
    return [
        {
            "steps": (i + 1) * steps,
            "passes": pictures and (i + 1) * seen / pictures,
            "training": epochs[i][unit],
            "held_out": epochs[i][f"val_{unit}"],
        }
        for i in chosen
    ]


def contenders(steps, ceiling):
    """Medians over the rounds; ratios are medians of the ratios within a round."""
    runs = {name: rounds for name, rounds in steps["runs"].items() if name != "ceiling" and rounds}
    speed = {
        name: {r: run["pictures_per_s"] for r, run in rounds.items()}
        for name, rounds in runs.items()
    }
    adds, rate = ceiling.get("multiply_adds"), ceiling.get("matrix_tflops")
    found = {}
    for name, rounds in runs.items():
        middle = median(speed[name].values())
        tflops = adds and 6 * adds * middle / 1e12
        one = rounds[min(rounds)]
        found[name] = {
            "pictures_per_s": middle,
            "rounds": sorted(speed[name].values()),
            "seconds_a_step": steps["settings"]["batch"] / middle,
            "tflops": tflops,
            "of_matrix_rate": tflops and tflops / rate,
            "step_time_over_floor": ratio(speed.get("floor", {}), speed[name]),
            "speed_over_by_hand": ratio(speed[name], speed.get("by_hand", {})),
            **{key: one[key] for key in ("first_step_s", "compiled", "parameters")},
            **{key: one[key] for key in ("device_kind", "device_peak_gib", "backend")},
            "losses": [one["first_loss"], one["last_loss"]],
        }
    return found


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


def page(found):
    """The summary as markdown."""
    parts = ["# Full-size runs"]
    if found["runs"]:
        runs = found["runs"].items()
        parts += [table(HEADER, [row(*run) for run in runs]), NOTES]
        parts += ["\n".join(f"- {RUNS[name]}, {r['date']}: `{r['command']}`" for name, r in runs)]
    if "steps" in found:
        s = found["settings_of_steps"]
        kind = next((c["device_kind"] for c in found["steps"].values()), "nothing measured yet")
        parts += [
            f"## Training steps: {kind}, {s['backend']}, {'bfloat16' if s['mixed'] else 'float32'}",
            f"{s['sizes']}, batch {s['batch']}, {s['steps']} steps after {s['warmup']} of warm-up. "
            f"Matrix rate: {number(found['matrix_tflops'], 1)} TFLOP/s, products of "
            f"{found['matrix_size']} x {found['matrix_size']} in bfloat16. `flow` and `floor` (the "
            "networks alone) run through `fit`, `step` is the step that `fit` compiles in a plain "
            "loop, `by_hand` the same Glow without Keras in that loop.",
            table(STEPS_HEADER, [steps_row(*item) for item in found["steps"].items()]),
        ]
    for name, run in found["runs"].items():
        rows = [
            (f"{p['steps']:,}", number(p["passes"], 1), number(p["training"], 3),
             number(p["held_out"], 3)) for p in run["curve"]
        ]  # fmt: skip
        unit = "nats" if name.startswith("nice") else "bits/dim"
        header = ("steps", "passes", f"training, {unit}", f"held out, {unit}")
        parts += [f"## {RUNS[name]}, by steps", table(header, rows)]
    return "\n\n".join(parts) + "\n"


def write_all(out):
    """Writes gpu.json and gpu.md into the folder of the runs."""
    found = summary(out)
    write(out / "gpu.json", json.dumps(found, indent=1) + "\n")
    write(out / "gpu.md", page(found))
