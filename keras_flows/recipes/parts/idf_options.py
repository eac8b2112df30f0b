"""What the recipes for IDF share: its options and the model."""

from keras_flows.models import IDF
from keras_flows.training.arguments import positive

SETTINGS = (
    *("variant", "level", "depth", "parts", "split", "hidden", "blocks", "prior_hidden", "mixture"),
)


def add_idf_options(
    p, *, level, depth, hidden, blocks, variant="plus", parts=1, mixture=None, prior_hidden=None
):
    """Adds IDF's options to the parser."""
    add = p.add_argument
    add("--variant", choices=("paper", "plus"), default=variant, help="IDF, or IDF++")
    add("--level", type=positive, default=level, help="scales")
    add("--depth", type=positive, default=depth, help="couplings a scale")
    add("--parts", type=positive, default=parts, help="parts that a scale factors out")
    add("--split", choices=("quarter", "halves"), default="quarter", help="what a coupling moves")
    add("--hidden", type=positive, default=hidden, help="channels that the blocks add")
    add("--blocks", type=positive, default=blocks, help="dense blocks of each network")
    add(
        "--prior-hidden", type=positive, default=prior_hidden, help="of the distributions' networks"
    )
    add("--mixture", type=positive, default=mixture, help="logistics of each distribution")


def build_idf(args, image_shape):
    return IDF(
        image_shape,
        levels=args.level,
        steps=args.depth,
        parts=args.parts,
        variant=args.variant,
        split=args.split,
        hidden=args.hidden,
        blocks=args.blocks,
        prior_hidden=args.prior_hidden,
        levels_per_channel=2**args.bits,
        mixture=args.mixture,
        seed=args.seed,
    )
