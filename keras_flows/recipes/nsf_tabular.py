"""Neural spline flows (1906.04032) on tables: MAF's five, or your own.

Data, preprocessing and reports are those of `maf_tabular`. As in the paper: 10 steps of a linear
map and rational-quadratic splines of 8 bins, with coupling or autoregressive networks (--kind),
Adam with a cosine schedule. The paper trains for 200,000 to 400,000 steps of 512 rows at 3e-4 to
5e-4; the default of --epochs is for a CPU.
"""

from keras_flows.models import NSF
from keras_flows.training.arguments import above_0, below_1, positive
from keras_flows.training.script import script
from keras_flows.training.table_run import table_parser, train_on_table

NAME = "nsf_tabular"
SETTINGS = ("kind", "steps", "bins", "tail_bound", "hidden", "blocks", "dropout")


def parser():
    p = table_parser(
        __doc__, NAME, epochs=100, batch_size=512, learning_rate=5e-4, schedule="cosine", clip=5.0
    )
    add = p.add_argument
    add("--kind", choices=("coupling", "autoregressive"), default="coupling", help="see NSF")
    add("--steps", type=positive, default=10, help="linear maps and splines")
    add("--bins", type=positive, default=8, help="of a spline")
    add("--tail-bound", type=above_0, default=3.0, help="where splines end")
    add("--hidden", type=positive, default=256, help="width of the networks")
    add("--blocks", type=positive, default=2, help="residual blocks of the networks")
    add("--dropout", type=below_1, default=0.0, help="in the coupling networks")
    return p


def build(args, dims):
    options = {name: getattr(args, name) for name in SETTINGS}
    return NSF(dims, seed=args.seed, **options)


@script(NAME, parser)
def main(args):
    train_on_table(NAME, args, lambda dims: build(args, dims), SETTINGS)
