"""MAF (1705.07057) on tables: the paper's five data sets, or your own.

--data power --file data.npy trains on a data set of the paper, with its preprocessing and its
network sizes. --data FILE.csv (or npz, npy, parquet) trains on any table, on the columns that
--columns and --drop choose; the log-likelihood is then in nats in the table's units. A tenth of
the rows are test rows. A tenth of the rest choose the best epoch and end training (--patience).

The defaults are the paper's: 5 steps, Adam at 1e-4, batches of 100, until the validation
likelihood has not risen for 30 epochs. --mixture 10 is MAF MoG. At the end the published figures
are printed beside this run's. loss.png, columns.png and metrics.json go to --out.
"""

from keras_flows.models import MAF
from keras_flows.training.arguments import positive
from keras_flows.training.script import script
from keras_flows.training.table_run import table_parser, train_on_table

NAME = "maf_tabular"
# The paper's widths; it tried 1 and 2 hidden layers.
HIDDEN = {"power": 100, "gas": 100, "hepmass": 512, "miniboone": 512, "bsds300": 512}
SETTINGS = ("steps", "hidden", "activation", "mixture", "order", "norm")


def parser():
    p = table_parser(__doc__, NAME, epochs=1000, batch_size=100, learning_rate=1e-4)
    add = p.add_argument
    add("--steps", type=positive, default=5, help="autoregressive layers")
    add("--hidden", type=positive, nargs="+", help="widths of each MADE; None: the paper's")
    add("--activation", choices=("relu", "tanh"), help="of each MADE; None: relu, for gas tanh")
    add("--mixture", type=positive, help="Gaussians of a mixture as the base: MAF MoG")
    add("--order", choices=("alternating", "random"), default="alternating", help="of columns")
    add("--norm", choices=("batch", "actnorm"), default="batch", help="between layers")
    return p


def complete(args):
    """Sets network options that are None to the paper's."""
    name = str(args.data)
    args.hidden = args.hidden or [HIDDEN.get(name, 100)] * 2
    args.activation = args.activation or ("tanh" if name == "gas" else "relu")


def build(args, dims):
    return MAF(
        dims,
        steps=args.steps,
        order=args.order,
        norm=args.norm,
        hidden=tuple(args.hidden),
        activation=args.activation,
        mixture=args.mixture,
        seed=args.seed,
    )


@script(NAME, parser, complete=complete)
def main(args):
    train_on_table(NAME, args, lambda dims: build(args, dims), SETTINGS)
