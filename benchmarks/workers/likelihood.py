"""Trains one contender in this process and measures it; prints one line of JSON.

Run by `benchmarks.likelihood`: `python -m benchmarks.workers.likelihood '{"model": "maf", ...}'`.
"""

import json
import math
import sys
import time
from statistics import median

import numpy as np

from benchmarks.contenders import BENCHMARKS
from benchmarks.workers.training import load

PART_STEPS = 1000  # steps in a part, at most
ADAM = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}


def parts(rows, steps, batch_size):
    """Yields the rows of each step, in parts of the training: indices `(steps, batch_size)`.

    Each epoch has its own order, which is the same for every contender; rows that do not fill a
    batch are left out.
    """
    generator = np.random.default_rng(0)
    size = min(PART_STEPS, max(1, math.ceil(steps / 10)))
    batches, made = [], 0
    while made < steps:
        order = generator.permutation(rows)[: rows // batch_size * batch_size]
        for batch in order.reshape(-1, batch_size)[: steps - made]:
            batches.append(batch)
            made += 1
            if len(batches) == size or made == steps:
                yield np.stack(batches)
                batches = []


def keras_contender(build, sizes, steps, learning_rate):
    """Functions that train on a part and that give log-likelihoods, and the number of weights."""
    import keras

    keras.utils.set_random_seed(0)
    flow = build(**sizes)
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    flow.compile(keras.optimizers.Adam(rate, **ADAM))

    def train(x, part):
        x = x[part.ravel()]
        return flow.fit(x, batch_size=part.shape[1], shuffle=False, verbose=0).history["loss"][-1]

    count = sum(int(np.prod(w.shape)) for w in flow.trainable_weights)
    return train, lambda x: flow.log_prob(x, batch_size=1000), count


def torch_contender(build, sizes, steps, learning_rate):
    """The same for a torch module, in a plain training loop."""
    import torch

    torch.manual_seed(0)
    model, loss_of = build(**sizes)
    betas = (ADAM["beta_1"], ADAM["beta_2"])
    adam = torch.optim.Adam(model.parameters(), learning_rate, betas, ADAM["epsilon"])
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)

    def train(x, part):
        x, losses = torch.from_numpy(x), 0.0
        for batch in torch.from_numpy(part):
            adam.zero_grad()
            loss = loss_of(x[batch])
            loss.backward()
            adam.step()
            cosine.step()
            losses += loss.detach()
        return float(losses) / len(part)

    @torch.no_grad()
    def log_prob(x):
        model.eval()
        return torch.cat([model.log_prob(b) for b in torch.from_numpy(x).split(1000)]).numpy()

    return train, log_prob, sum(p.numel() for p in model.parameters() if p.requires_grad)


def measure(model, contender, data, steps, batch_size, learning_rate):
    """Mean log-likelihoods after the last step with two standard errors, and the speed."""
    with np.load(data) as file:
        tables = {key: file[key].astype("float32") for key in ("train", "validation", "test")}
    benchmark = BENCHMARKS[model]
    entry = benchmark.contenders[contender]
    make = keras_contender if entry.backend else torch_contender
    sizes = {**benchmark.sizes, "dims": tables["train"].shape[1]}
    train, log_prob, count = make(load(entry.build), sizes, steps, learning_rate)
    losses, speeds, start = [], [], time.perf_counter()
    for part in parts(len(tables["train"]), steps, batch_size):
        begin = time.perf_counter()
        losses.append(float(train(tables["train"], part)))
        speeds.append(len(part) / (time.perf_counter() - begin))
    figures = {
        "steps_per_s": median(speeds[1:] or speeds),
        "training_s": time.perf_counter() - start,
        "losses": losses,
        "last_loss": losses[-1],
        "parameters": count,
    }
    for key in ("validation", "test"):
        values = log_prob(tables[key]).astype("float64")
        figures[key] = float(values.mean())
        figures[f"{key}_2se"] = float(2 * values.std(ddof=1) / math.sqrt(len(values)))
    return figures


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
