"""What the recipes for TarFlow share: options, the model, the run."""

from keras_flows.models import TarFlow
from keras_flows.recipes.parts.tarflow_figures import measure_tarflow
from keras_flows.training.arguments import finite, not_negative, positive, share
from keras_flows.training.image_run import image_parser, train_on_images

SETTINGS = (
    *("patch", "channels", "blocks", "layers", "heads"),
    *("noise", "noise_std", "alpha", "drop_labels", "classes"),
)
TRAINING = {"optimizer": "adamw", "beta_2": 0.95, "weight_decay": 1e-4, "schedule": "cosine"}
# Defaults of the recipes that need a GPU.
LARGE = {
    "epochs": 200,
    "batch_size": 128,
    "learning_rate": 3e-4,
    "warmup": 2000,
    "clip": 1.0,
    "ema": 0.9999,
}
LARGE_MODEL = {"channels": 384, "blocks": 8, "layers": 4, "noise_std": 0.05}


def tarflow_parser(description, name, *, rows=10, columns=10, holdout=2000, **defaults):
    """The parser of flows of pictures with TarFlow's training: AdamW (.9, .95), cosine, EMA."""
    defaults = {**TRAINING, "temperature": 1.0, "ema": 0.999, **defaults}
    return image_parser(description, name, rows=rows, columns=columns, holdout=holdout, **defaults)


def add_tarflow_options(
    p, *, patch, channels, blocks, layers, noise_std, heads=None, alpha=None, guidance=0.0
):
    """Adds the options of the model and of the guidance."""
    add = p.add_argument
    add("--patch", type=positive, default=patch, help="side of a patch")
    add("--channels", type=positive, default=channels, help="of the transformers")
    add("--blocks", type=positive, default=blocks, help="autoregressive layers")
    add("--layers", type=positive, default=layers, help="attention blocks of each")
    add("--heads", type=positive, default=heads, help="of the attention; None: channels / 64")
    add("--noise", choices=("gaussian", "uniform"), default="gaussian", help="uniform: bits/dim")
    add("--noise-std", type=not_negative, default=noise_std, help="Gaussian noise, on [-1, 1]")
    add("--alpha", type=share, default=alpha, help="logits of pixels, for uniform noise")
    add("--drop-labels", type=share, default=0.1, help="share of labels dropped in training")
    add("--guidance", type=finite, default=guidance, help="of the sample grids")
    add(
        "--guidance-schedule",
        choices=("constant", "linear"),
        default="linear",
        help="of guidance over the patches",
    )


def build_tarflow(args, image_shape, classes=None):
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


def train_tarflow(name, args, data, image_shape, classes=None, *, flip=False, judge=None):
    """`train_on_images`, with the figures that only a TarFlow has.

    `judge` is a function from pictures to classes, or None.
    """
    sampling = {}
    if args.classes and args.guidance:
        sampling = {"guidance": args.guidance, "guidance_schedule": args.guidance_schedule}
    train_on_images(
        name,
        args,
        data,
        lambda: build_tarflow(args, image_shape, classes),
        SETTINGS,
        flip=flip,
        more_metrics=lambda flow, test, batch_size: measure_tarflow(
            args, flow, test, batch_size, sampling, judge
        ),
        sampling=sampling,
    )
