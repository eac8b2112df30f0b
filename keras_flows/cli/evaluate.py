"""Measures a flow on test data: log-likelihood in nats, bits/dim and reconstruction error.

Means have two standard errors. Only flows of integers have bits/dim.
"""

import math

import numpy as np

from keras_flows.cli import flows, samples
from keras_flows.cli.options import add_data, add_model

HELP = "log-likelihood of test data, bits/dim, reconstruction error"
RECONSTRUCTED = 1000


def options(p):
    add_model(p)
    add_data(p, table=True)


def run(args):
    flow = flows.load(args)
    data = samples.read(args, flow)
    size = args.batch_size or data.batch_size
    log_prob = flow.log_prob(data.x, data.conditions(), batch_size=size)
    samples.check_finite(log_prob)
    error = 2 / math.sqrt(len(data.x))
    print(f"samples            {len(data.x)}, {flow.dims} dimensions each")
    print(f"log-likelihood     {log_prob.mean():.2f} +- {error * log_prob.std():.2f} nats a sample")
    if flow.discrete:
        bits = -log_prob / (flow.dims * math.log(2))
        print(f"bits/dim           {bits.mean():.4f} +- {error * bits.std():.4f}")
    elif data.table:
        print(f"lowest             {log_prob.min():.2f} nats, row {log_prob.argmin() + 1}")
    else:
        print("bits/dim           undefined: the model does not take integers (no Dequantize)")
    x = data.x[:RECONSTRUCTED]
    back = flow.reconstruct(x, data.conditions(RECONSTRUCTED), batch_size=size)
    error, unit = np.abs(back.astype("float64") - x), ""
    if data.table and not flow.discrete:
        # Columns may have different units. The deviation is 0 for one row or a constant.
        deviation = x.std(axis=0, dtype="float64")
        error, unit = error / np.where(deviation > 0, deviation, 1), " of a standard deviation"
    print(f"reconstruction     largest error {error.max():.3g}{unit}")
