"""What the recipes for Glow share: options, and the training of each variant."""

from keras_flows.models import Glow
from keras_flows.training.arguments import positive

TRAINING = {
    "blog": {"optimizer": "adam", "learning_rate": 1e-4, "warmup": 0},
    "paper": {"optimizer": "adamax", "learning_rate": 1e-3, "warmup": 1000},
}
SETTINGS = (
    *("variant", "level", "depth", "hidden", "coupling", "permutation"),
    *("no_conditional_prior", "dequantization"),
)


def add_glow_options(p, *, level, depth=None, hidden=512, variant="paper", **training):
    """Adds Glow's options to the parser. Options that are None take the variant's value.

    `training` replaces training options of the default variant.
    """
    training = {**TRAINING, variant: {**TRAINING[variant], **training}}
    add = p.add_argument
    add(
        "--variant",
        choices=TRAINING,
        default=variant,
        help="the blog series' or the paper's; sets the options that are None, also optimizer, "
        f"learning rate and warm-up: {training}",
    )
    add("--level", type=positive, default=level, help="scales")
    add("--depth", type=positive, default=depth, help="steps a scale; None: blog 10, paper 32")
    add("--hidden", type=positive, default=hidden, help="channels of the coupling networks")
    add("--coupling", choices=("additive", "affine"), help="None: blog additive, paper affine")
    add(
        "--permutation",
        choices=("inv_conv", "shuffle", "reverse"),
        help="None: blog shuffle, paper inv_conv (invertible 1x1 convolution)",
    )
    add(
        "--no-conditional-prior",
        action="store_true",
        help="N(0, 1) for the parts that are split off",
    )
    add(
        "--dequantization",
        choices=("uniform", "variational", "blog"),
        default="uniform",
        help="noise of one bin, or learned noise in the bin, as in Flow++; or the blog's, of half "
        "a bin, for which no bits/dim are defined",
    )
    p.set_defaults(training=training, **dict.fromkeys(TRAINING[variant]))


def complete_glow(args):
    """Sets the training options that are None to those of the variant."""
    for key, value in args.training[args.variant].items():
        if getattr(args, key) is None:
            setattr(args, key, value)


def build_glow(args, image_shape, classes=None):
    return Glow(
        image_shape,
        levels=args.level,
        steps=args.depth,
        variant=args.variant,
        coupling=args.coupling,
        permutation=args.permutation,
        hidden=args.hidden,
        levels_per_channel=2**args.bits,
        noise=args.dequantization,
        classes=classes,
        conditional_prior=not args.no_conditional_prior,
        seed=args.seed,
    )
