"""The results of `benchmarks.gpu` so far, from the folders of its runs."""

import json
from statistics import median

import numpy as np

from benchmarks.gpu.page import RUNS, page
from benchmarks.gpu.steps import RESULTS
from benchmarks.processes import write
from benchmarks.report import ratio

STATE = "checkpoint/state.json"  # of an unfinished run


def summary(out):
    """Figures of every run in the folder `out`, and of the training steps."""
    steps = read(out / RESULTS)
    ceiling = next(iter(steps["runs"].get("ceiling", {}).values()), {}) if steps else {}
    rate = ceiling.get("matrix_tflops")
    runs, unfinished = {}, {}
    for name in RUNS:
        metrics, state = (read(out / name / file) for file in ("metrics.json", STATE))
        done, now = metrics.get("epochs", []), state.get("history", [])
        if done:
            runs[name] = figures(name, metrics, rate)
        if len(now) > len(done):
            unfinished[name] = {
                "epochs": len(now),
                "seconds_an_epoch": seconds_an_epoch(now),
                "curve": curve(now, state["settings"]),
            }
    result = {"matrix_tflops": rate, "matrix_size": ceiling.get("matrix_size")}
    result |= {"runs": runs, "unfinished": unfinished}
    if steps:
        result["steps"] = contenders(steps, ceiling)
        result["settings_of_steps"] = steps["settings"]
    return result


def read(path):
    return json.loads(path.read_text()) if path.exists() else {}


def seconds_an_epoch(epochs):
    """The median without the first epoch, which includes compiling."""
    return median(row["seconds"] for row in epochs[1:] or epochs)


def figures(name, metrics, rate):
    """The table's figures of one run."""
    machine, epochs, test = metrics["machine"], metrics["epochs"], metrics["test"]
    seconds = seconds_an_epoch(epochs)
    speed = metrics["settings"]["batch_size"] * metrics["steps_per_epoch"] / seconds
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
        "result": test_result(name, test, epochs),
        "curve": curve(epochs, metrics["settings"], metrics["steps_per_epoch"], metrics),
    }


def test_result(name, test, epochs):
    """The result on the test set, as text."""
    if name == "nice":
        loss = test["blog_loss_without_noise"]
        return f"{loss:.0f} nats, the blog's loss; {epochs[-1]['blog_loss']:.0f} in training"
    if name == "nice_paper":
        return f"{test['log_likelihood_of_unit_interval']:.1f} nats"
    return f"{test['bits_per_dim']:.3f} +- {2 * test['standard_error']:.3f} bits/dim (2 s.e.)"


def curve(epochs, settings, steps=None, metrics=None):
    """Steps, passes over the training set and losses of about a dozen epochs, with the last.

    Values that are unknown until a run has written its metrics are None.
    """
    chosen = sorted(set(np.linspace(0, len(epochs) - 1, 12).round().astype(int).tolist()))
    unit = "bits_per_dim" if "bits_per_dim" in epochs[0] else "loss"
    steps = steps or settings["steps_per_epoch"]
    pictures = (metrics or {}).get("training_pictures")
    return [
        {
            "epoch": i + 1,
            "steps": steps and (i + 1) * steps,
            "passes": pictures and (i + 1) * steps * settings["batch_size"] / pictures,
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
    result = {}
    for name, rounds in runs.items():
        pictures_per_s = median(speed[name].values())
        tflops = adds and 6 * adds * pictures_per_s / 1e12
        first = rounds[min(rounds)]
        result[name] = {
            "pictures_per_s": pictures_per_s,
            "rounds": sorted(speed[name].values()),
            "seconds_a_step": steps["settings"]["batch"] / pictures_per_s,
            "tflops": tflops,
            "of_matrix_rate": tflops and tflops / rate,
            "step_time_over_floor": ratio(speed.get("floor", {}), speed[name]),
            "speed_over_by_hand": ratio(speed[name], speed.get("by_hand", {})),
            **{key: first[key] for key in ("first_step_s", "compiled", "parameters")},
            **{key: first[key] for key in ("device_kind", "device_peak_gib", "backend")},
            "losses": [first["first_loss"], first["last_loss"]],
        }
    return result


def write_all(out):
    """Writes gpu.json and gpu.md into the folder of the runs."""
    result = summary(out)
    write(out / "gpu.json", json.dumps(result, indent=1) + "\n")
    write(out / "gpu.md", page(result))
