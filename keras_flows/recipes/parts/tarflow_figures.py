"""Pictures and metrics that only a TarFlow has: guidance, denoising, the way through its blocks."""

import keras
import numpy as np

from keras_flows.core.ledger import Ledger
from keras_flows.layers import Patchify, TransformerAutoregressive
from keras_flows.plots.grids import grid, write_png
from keras_flows.training.image_metrics import likelihoods

GUIDANCES = (0.0, 0.5, 1.0, 2.0, 3.0)


def measure_tarflow(args, flow, test, batch_size, sampling, judge):
    """Writes guidance.png, denoising.png and trajectory.png; returns their metrics.

    Args:
        args: the parsed options.
        flow: the TarFlow.
        test: test pictures, `[x, labels]` if it is conditional.
        batch_size: for likelihoods.
        sampling: options of the flow's `sample`.
        judge: function from pictures to classes, or None.
    """
    metrics = {}
    if flow.conditional:
        x, _ = test
        unlabelled = [x, np.full(len(x), -1)]
        metrics["test_without_labels"] = likelihoods(flow, unlabelled, batch_size)
        metrics["guidance"] = measure_guidance(args, flow, judge)
    write_trajectory(args, flow, sampling)
    if flow.noise_std:
        metrics["denoising"] = measure_denoising(args, flow, test, sampling)
    return metrics


def cycle_classes(flow, n):
    """Labels 0, 1, ..., 0, 1, ... of `n` samples; None for an unconditional flow."""
    return np.arange(n, dtype="int32") % flow.classes if flow.conditional else None


def measure_guidance(args, flow, judge, n=500):
    """Samples for each guidance from the same latents, one row each, and the judge's accuracy."""
    rows, metrics = [], []
    for strength in GUIDANCES:
        options = {"guidance": strength, "guidance_schedule": args.guidance_schedule}
        labels = cycle_classes(flow, n if judge else args.columns)
        samples = flow.sample(len(labels), args.temperature, 0, labels=labels, **options)
        rows.append(samples[: args.columns])
        if judge:
            metrics.append({"guidance": strength, **judge_samples(samples, labels, judge)})
            if flow.noise_std:
                raw = flow.sample(n, args.temperature, 0, labels=labels, denoise=False, **options)
                metrics[-1]["before_denoising"] = judge_samples(raw, labels, judge)
    picture = grid(np.concatenate(rows), len(rows), args.columns, levels=flow.levels)
    write_png(args.out / "guidance.png", picture)
    return metrics


def judge_samples(samples, labels, judge):
    """How often the judge sees the class of the label, and the noise of the pictures."""
    return {"accuracy": float(np.mean(judge(samples) == labels)), "noise": noise(samples)}


def noise(pictures):
    """Mean standard deviation of the pixels' noise, of pictures `(n, h, w, c)` in [0, 1].

    The mask [1, -2, 1] along rows and columns gives 0 for smooth pictures, and
    6 times the standard deviation for noise (Immerkaer 1996).
    """
    x = np.asarray(pictures, "float64") / (255 if np.asarray(pictures).dtype == np.uint8 else 1)
    for axis in (1, 2):
        a, b, c = (np.take(x, range(i, x.shape[axis] - 2 + i), axis) for i in range(3))
        x = a - 2 * b + c
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(x).mean())


def measure_denoising(args, flow, test, sampling):
    """Samples before and after the score step, and their noise beside that of test pictures."""
    n = 4 * args.columns
    labels = cycle_classes(flow, n)
    before = flow.sample(n, args.temperature, 1, denoise=False, labels=labels, **sampling)
    after = flow.denoise(before, labels)
    cuts = range(0, n, args.columns)
    rows = [part[i : i + args.columns] for i in cuts for part in (before, after)]
    write_png(args.out / "denoising.png", grid(np.concatenate(rows), len(rows), args.columns))
    x, y = test if flow.conditional else (test, None)
    x, y = x[:1000], None if y is None else y[:1000]
    return {
        "samples_before": noise(before),
        "samples_after": noise(after),
        "noisy_test_pictures": noise(x),
        "denoised_test_pictures": noise(flow.denoise(x, y)),
    }


def write_trajectory(args, flow, sampling):
    """Writes one row a sample: the latent, what is between the blocks, the sample, denoised."""
    n = min(args.rows, 10)
    labels = cycle_classes(flow, n)
    options = {"denoise": False} if flow.noise_std else {}
    x = flow.sample(n, args.temperature, 2, labels=labels, **options, **sampling)
    steps = trajectory(flow, x, labels)
    if flow.noise_std:
        steps.append(flow.denoise(x, labels))
    picture = grid(np.stack(steps, 1).reshape(-1, *flow.data_shape), n, len(steps))
    write_png(args.out / "trajectory.png", picture)


def trajectory(flow, x, labels):
    """What is between the blocks, as pictures; the latent is first and the data are last.

    It is computed by encoding the data: decoding passes through the same values.
    """
    vector = next((v for v in flow.encoder.layers if hasattr(v, "classes")), None)
    cut = next(i for i, v in enumerate(flow.chain) if isinstance(v, Patchify))
    add_noise, *entry = flow.chain[: 1 + cut]
    steps = []
    with Ledger(density=False):
        h = add_noise(x)
        for layer in flow.chain[1:]:
            attention = isinstance(layer, TransformerAutoregressive)
            h = layer([h, vector(labels)] if attention and vector else h)
            if attention or isinstance(layer, Patchify):
                steps.append(to_pictures(h, entry))
    return steps[::-1]


def to_pictures(tokens, entry):
    """Decodes tokens through the layers between pixels and tokens."""
    for layer in reversed(entry):
        tokens = layer.decode(tokens)[0]
    return keras.ops.convert_to_numpy(tokens)
