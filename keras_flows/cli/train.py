"""Trains a flow by a recipe: a paper on a data set.

`keras-flows train RECIPE --help` shows the options of a recipe.
"""

import argparse

from keras_flows import recipes

HELP = "trains a flow by a recipe, such as nice_mnist"


def options(p):
    p.formatter_class = argparse.RawDescriptionHelpFormatter
    p.usage = "keras-flows train [RECIPE [OPTIONS]]"
    p.epilog = listing()
    p.add_argument("recipe", nargs=argparse.REMAINDER, help="one of those below, and its options")


def run(args):
    if not args.recipe:
        return print(listing())
    name, *argv = args.recipe
    recipes.load(name)(argv, launcher=f"keras-flows train {name}")


def listing():
    """The recipes, one a line."""
    lines = recipes.summaries()
    width = max(map(len, lines))
    return "\n".join(["recipes:", *(f"  {name:{width}}  {line}" for name, line in lines.items())])
