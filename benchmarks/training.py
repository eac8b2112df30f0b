"""Images per second of training: `python -m benchmarks.training nice`.

Each contender runs in a process of its own, one at a time, with all CPU
threads; contenders take turns over several rounds, so that a ratio within a
round compares figures taken minutes apart at most. GPUs are hidden. Timed are
whole steps, data to updated weights: Keras models through `fit`, others in a
plain PyTorch loop (options in `torch_steps.py`).
"""

import argparse
import importlib.util
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from benchmarks import report
from benchmarks.contenders import BENCHMARKS
from benchmarks.worker import MNIST

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
QUICK = {"rounds": 1, "steps": 2, "warmup": 1, "batch": 16}


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training", description=__doc__.splitlines()[0]
    )
    parser.add_argument("model", choices=BENCHMARKS)
    parser.add_argument("--contenders", metavar="A,B,C", help="which ones, and in which order")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30, help="steps measured in each round")
    parser.add_argument("--warmup", type=int, default=5, help="steps before them")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--data", choices=("synthetic", "mnist"), default="synthetic")
    parser.add_argument("--out", type=Path, help=f"folder for the results [{RESULTS.name}/ here]")
    parser.add_argument(
        "--quick", action="store_true", help=f"only see that it runs: {QUICK}; writes to --out only"
    )
    args = parser.parse_args(argv)
    if args.quick:
        vars(args).update(QUICK)
    known = BENCHMARKS[args.model].contenders
    args.contenders = (
        args.contenders.split(",")
        if args.contenders
        else [name for name, contender in known.items() if contender.default]
    )
    if unknown := [name for name in args.contenders if name not in known]:
        parser.error(f"unknown contenders {unknown}; there are {', '.join(known)}")
    if min(args.rounds, args.steps, args.warmup, args.batch) < 1:
        parser.error("--rounds, --steps, --warmup and --batch must be 1 or more")
    if args.data == "mnist" and not MNIST.exists():
        parser.error(f"--data mnist needs {MNIST.relative_to(ROOT)}")
    return args


def run(args, name):
    """One contender's figures, from a process of its own."""
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2"}
    if backend := BENCHMARKS[args.model].contenders[name].backend:
        env["KERAS_BACKEND"] = backend
    task = {key: getattr(args, key) for key in ("model", "data", "batch", "steps", "warmup")}
    command = [sys.executable, "-m", "benchmarks.worker", json.dumps({**task, "contender": name})]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or f"exit status {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def run_all(args):
    """`{contender: {round: figures}}`, and why others were left out."""
    known = BENCHMARKS[args.model].contenders
    left_out = {}
    for name in args.contenders:
        if missing := [p for p in known[name].needs if importlib.util.find_spec(p) is None]:
            left_out[name] = f"not installed: {', '.join(missing)}"
            say(f"{name}: {left_out[name]}")
    names = [name for name in args.contenders if name not in left_out]
    runs = {name: {} for name in names}
    for r in range(args.rounds):
        turn = r % max(len(names), 1)  # each round starts with another contender
        for name in names[turn:] + names[:turn]:
            if name in left_out:
                continue
            try:
                runs[name][r] = run(args, name)
            except RuntimeError as error:
                left_out[name] = f"failed in round {r + 1}: {str(error).splitlines()[-1]}"
                say(f"{name}: failed\n{error}")
            else:
                say(f"round {r + 1}, {name}: {runs[name][r]['images_per_s']:.0f} images/s")
    return {name: runs[name] for name in names if name not in left_out}, left_out


def say(text):
    print(text, file=sys.stderr, flush=True)


def write(path, text):
    """Beside its place first, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    partial.replace(path)


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    args = parse(argv)
    benchmark = BENCHMARKS[args.model]
    machine = report.machine()
    runs, left_out = run_all(args)
    best_peer, summary = report.summarise(benchmark, runs)
    options = {key: getattr(args, key) for key in ("rounds", "steps", "warmup", "batch", "data")}
    result = {
        "command": f"python -m benchmarks.training {shlex.join(argv)}",
        "date": report.today(),
        "machine": machine,
        "versions": report.versions(),
        "options": options,
        "best_peer": best_peer,
        "summary": summary,
        "left_out": left_out,
        "runs": runs,
    }
    table = report.markdown(benchmark.title, result)
    data = json.dumps(result, indent=1) + "\n"
    print(table, data, sep="\n", end="")
    out = args.out or (None if args.quick else RESULTS)
    if out is not None:
        write(out / f"training_{args.model}.md", table)
        write(out / f"training_{args.model}.json", data)
    return 1 if any(why.startswith("failed") for why in left_out.values()) or not runs else 0


if __name__ == "__main__":
    sys.exit(main())
