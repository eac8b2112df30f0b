"""What the TarFlow scripts share: options, the model, and what only TarFlow shows."""

import keras
import numpy as np

from keras_flows.core.ledger import Ledger
from keras_flows.layers import Patchify, TransformerAutoregressive
from keras_flows.models import TarFlow
from keras_flows.plots.grids import grid, write_png
from keras_flows.training import arguments, common, images

SAME = (
    *("patch", "channels", "blocks", "layers", "heads"),
    *("noise", "noise_std", "alpha", "drop_labels", "classes"),
)
TRAINING = {"optimizer": "adamw", "beta_2": 0.95, "weight_decay": 1e-4, "schedule": "cosine"}
# What the scripts for a GPU share.
LARGE = {
    "epochs": 200,
    "batch_size": 128,
    "learning_rate": 3e-4,
    "warmup": 2000,
    "clip": 1.0,
    "ema": 0.9999,
}
LARGE_MODEL = {"channels": 384, "blocks": 8, "layers": 4, "noise_std": 0.05}
SWEEP = (0.0, 0.5, 1.0, 2.0, 3.0)


def parser(description, name, *, rows=10, columns=10, holdout=2000, **defaults):
    """The picture scripts' parser, with TarFlow's training: AdamW (.9, .95), cosine, EMA."""
    defaults = {**TRAINING, "temperature": 1.0, "ema": 0.999, **defaults}
    return images.parser(description, name, rows=rows, columns=columns, holdout=holdout, **defaults)


def add(p, *, patch, channels, blocks, layers, noise_std, heads=None, alpha=None, guidance=0.0):
    """Options of the model."""
    option = p.add_argument
    option("--patch", type=common.positive, default=patch, help="side of a patch")
    option("--channels", type=common.positive, default=channels, help="of the transformers")
    option("--blocks", type=common.positive, default=blocks, help="autoregressive layers")
    option("--layers", type=common.positive, default=layers, help="attention blocks of each")
    option(
        "--heads",
        type=common.positive,
        default=heads,
        help="of the attention; one for 64 channels if unset",
    )
    option(
        "--noise", choices=("gaussian", "uniform"), default="gaussian", help="for bits/dim: uniform"
    )
    option(
        "--noise-std",
        type=arguments.not_negative,
        default=noise_std,
        help="of Gaussian noise, on [-1, 1]",
    )
    option(
        "--alpha", type=arguments.share, default=alpha, help="logits of pixels, for uniform noise"
    )
    option(
        "--drop-labels",
        type=arguments.share,
        default=0.1,
        help="share of labels dropped in training",
    )
    option("--guidance", type=arguments.finite, default=guidance, help="of the sample grids")
    option(
        "--guidance-schedule",
        choices=("constant", "linear"),
        default="linear",
        help="of guidance over the patches",
    )


def build(args, image_shape, classes=None):
    return TarFlow(
        image_shape,
        steps=args.blocks,
        patch=args.patch,
        hidden=args.channels,
        blocks=args.layers,
        heads=args.heads,
        levels_per_channel=2**args.bits,
        noise=args.noise,
        noise_std=args.noise_std,
        alpha=args.alpha if args.noise == "uniform" else None,
        classes=classes,
        drop_labels=args.drop_labels,
        seed=args.seed,
    )


def sampling(args):
    """Options of `sample` for the grids."""
    if not args.classes or not args.guidance:
        return {}
    return {"guidance": args.guidance, "guidance_schedule": args.guidance_schedule}


def reproduce(name, args, data, image_shape, classes=None, *, flip=False, judge=None):
    """The run of `images`, then what only TarFlow shows."""

    def more(flow, test, batch_size):
        return extras(args, flow, test, batch_size, judge)

    images.reproduce(
        name,
        args,
        data,
        lambda: build(args, image_shape, classes),
        SAME,
        flip=flip,
        more=more,
        sampling=sampling(args),
    )


def extras(args, flow, test, batch_size, judge):
    """Pictures of guidance, of denoising and of the way through the blocks; their figures."""
    found = {}
    if flow.conditional:
        x, _ = test
        found["test_without_labels"] = images.likelihoods(
            flow, [x, np.full(len(x), -1)], batch_size
        )
        found["guidance"] = guidance(args, flow, judge)
    write_trajectory(args, flow)
    if flow.noise_std:
        found["denoising"] = denoising(args, flow, test)
    return found


def classes_in_turn(flow, n):
    return np.arange(n, dtype="int32") % flow.classes


def guidance(args, flow, judge, n=500):
    """Samples at each guidance from the same draws, a row each, and how they are judged."""
    rows, found = [], []
    for strength in SWEEP:
        options = {"guidance": strength, "guidance_schedule": args.guidance_schedule}
        labels = classes_in_turn(flow, n if judge else args.columns)
        samples = flow.sample(len(labels), args.temperature, 0, labels=labels, **options)
        rows.append(samples[: args.columns])
        if judge:
            found.append({"guidance": strength, **judged(samples, labels, judge)})
            if flow.noise_std:
                raw = flow.sample(n, args.temperature, 0, labels=labels, denoise=False, **options)
                found[-1]["before_denoising"] = judged(raw, labels, judge)
    picture = grid(np.concatenate(rows), len(rows), args.columns, levels=flow.levels)
    write_png(args.out / "guidance.png", picture)
    return found


def judged(samples, labels, judge):
    """How often the judge sees the class that was asked for, and the noise of the pictures."""
    return {"accuracy": float(np.mean(judge(samples) == labels)), "noise": noise(samples)}


def noise(pictures):
    """Mean standard deviation of the pixels' noise, of pictures `(n, h, w, c)` in [0, 1].

    By the mask [1, -2, 1] along rows and columns, which gives 0 of smooth pictures
    and of noise 6 times its standard deviation (Immerkaer 1996).
    """
    x = np.asarray(pictures, "float64") / (255 if np.asarray(pictures).dtype == np.uint8 else 1)
    for axis in (1, 2):
        a, b, c = (np.take(x, range(i, x.shape[axis] - 2 + i), axis) for i in range(3))
        x = a - 2 * b + c
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(x).mean())


def denoising(args, flow, test):
    """Rows of samples before and after the score step; the noise of both, and of test pictures."""
    n = 4 * args.columns
    labels = classes_in_turn(flow, n) if flow.conditional else None
    options = {"labels": labels, **sampling(args)}
    before = flow.sample(n, args.temperature, 1, denoise=False, **options)
    after = flow.denoise(before, labels)
    cuts = range(0, n, args.columns)
    rows = [part[i : i + args.columns] for i in cuts for part in (before, after)]
    write_png(args.out / "denoising.png", grid(np.concatenate(rows), len(rows), args.columns))
    x = (test[0] if flow.conditional else test)[:1000]
    given = test[1][:1000] if flow.conditional else None
    return {
        "samples_before": noise(before),
        "samples_after": noise(after),
        "noisy_test_pictures": noise(x),
        "denoised_test_pictures": noise(flow.denoise(x, given)),
    }


def write_trajectory(args, flow):
    """A row a sample: from the latent through the blocks to data, and denoised."""
    n = min(args.rows, 10)
    labels = classes_in_turn(flow, n) if flow.conditional else None
    options = {"denoise": False} if flow.noise_std else {}
    x = flow.sample(n, args.temperature, 2, labels=labels, **options, **sampling(args))
    steps = trajectory(flow, x, labels)
    if flow.noise_std:
        steps.append(flow.denoise(x, labels))
    picture = grid(np.stack(steps, 1).reshape(-1, *flow.data_shape), n, len(steps))
    write_png(args.out / "trajectory.png", picture)


def trajectory(flow, x, labels):
    """What lies between the blocks, as pictures, the latent first and the data last.

    Found from the data, since the way back is the same.
    """
    vector = next((v for v in flow.encoder.layers if hasattr(v, "classes")), None)
    noise, *entry = flow.chain[: 1 + next(i for i, v in enumerate(flow.chain) if is_cut(v))]
    h, found = x, []
    with Ledger(density=False):
        h = noise(h)
        for layer in flow.chain[1:]:
            attention = isinstance(layer, TransformerAutoregressive)
            h = layer([h, vector(labels)] if attention and vector else h)
            if attention or is_cut(layer):
                found.append(as_pictures(h, entry))
    return found[::-1]


def is_cut(layer):
    return isinstance(layer, Patchify)


def as_pictures(tokens, entry):
    """Tokens through the inverses of the layers between pixels and them."""
    for layer in reversed(entry):
        tokens = layer.decode(tokens)[0]
    return keras.ops.convert_to_numpy(tokens)
