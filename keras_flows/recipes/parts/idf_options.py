"""What the recipes for IDF share: its options and the model."""

from keras_flows.models import IDF
from keras_flows.training.arguments import count, positive

SETTINGS = (
    *("variant", "level", "depth", "parts", "norm", "split", "hidden", "blocks", "prior_hidden"),
    "mixture",
)
NORMS = {"auto": "auto", "group": "group", "none": None}


def add_idf_options(p, *, variant="plus", norm="auto", parts=1, prior_hidden=None, **defaults):
    """Adds IDF's options, --coded and --no-comparison. `defaults` belong to the others."""
    add = p.add_argument
    add("--variant", choices=("paper", "plus"), default=variant, help="IDF, or IDF++")
    add("--level", type=positive, help="scales")
    add("--depth", type=positive, help="couplings a scale")
    add("--parts", type=positive, default=parts, help="parts that a scale factors out")
    add("--norm", choices=NORMS, default=norm, help="in the networks; auto: as the variant")
    add("--split", choices=("quarter", "halves"), default="quarter", help="what a coupling moves")
    add("--hidden", type=positive, help="channels that the blocks of a network add")
    add("--blocks", type=positive, help="dense blocks of each network")
    text = "--hidden of the networks of distributions; None: the same"
    add("--prior-hidden", type=positive, default=prior_hidden, help=text)
    text = "logistics of each distribution; None: 1, and 5 for the last scale"
    add("--mixture", type=positive, help=text)
    text = "test pictures that are compressed by the codec, as one file and a file each; 0: none"
    add("--coded", type=count, default=1000, help=text)
    text = "do not measure the test pictures as PNG, WebP, JPEG XL and xz"
    add("--no-comparison", action="store_true", help=text)
    p.set_defaults(**defaults)


def build_idf(args, image_shape):
    return IDF(
        image_shape,
        levels=args.level,
        steps=args.depth,
        parts=args.parts,
        variant=args.variant,
        norm=NORMS[args.norm],
        split=args.split,
        hidden=args.hidden,
        blocks=args.blocks,
        prior_hidden=args.prior_hidden,
        levels_per_channel=2**args.bits,
        mixture=args.mixture,
        seed=args.seed,
    )
