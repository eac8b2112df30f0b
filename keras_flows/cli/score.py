"""Writes one number for each sample: log_prob in nats, or bits/dim of integers.

A csv has a column of row numbers, from 1, or of file names; an npy has the numbers alone. The least
likely samples have the lowest log_prob, or the highest bits/dim.
"""

import csv
import math
from pathlib import Path

import numpy as np

from keras_flows.cli import flows, samples
from keras_flows.cli.options import add_data, add_model, check_ending
from keras_flows.data import tables
from keras_flows.files import written_whole

HELP = "log_prob of each row, or bits/dim of each picture"


def options(p):
    add_model(p)
    add_data(p, table=True)
    p.add_argument("--out", type=Path, default=Path("scores.csv"), help="csv, npy or npz to write")


def run(args):
    check_ending(args.out, tables.WRITTEN)
    flow = flows.load(args)
    data = samples.read(args, flow)
    size = args.batch_size or data.batch_size
    scores = flow.log_prob(data.x, data.conditions(), batch_size=size)
    samples.check_finite(scores)
    name = "log_prob"
    if flow.discrete:
        name, scores = "bits_per_dim", -scores / (flow.dims * math.log(2))
    key, keys = ("row", range(1, len(scores) + 1)) if data.names is None else ("file", data.names)
    _write(args.out, key, keys, name, scores)
    print(args.out)


def _write(path, key, keys, name, scores):
    with written_whole(path) as partial:
        if path.suffix.lower() == ".csv":
            with open(partial, "w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow([key, name])
                writer.writerows((k, f"{score:.9g}") for k, score in zip(keys, scores))
            return
        with open(partial, "wb") as file:
            if path.suffix.lower() == ".npy":
                np.save(file, scores)
            else:
                np.savez(file, **{key: np.array(keys), name: scores})
