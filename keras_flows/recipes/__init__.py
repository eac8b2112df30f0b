"""Training recipes: options, data, model and metrics for one paper on one data set each."""

import ast
import importlib.util
import pkgutil


def summaries():
    """`{name: first line of the docstring}` of all recipes, without importing any of them."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg]
    return {name: _docstring(name).partition("\n")[0] for name in names}


def load(name):
    """The `Script` of a recipe; raises a ValueError if there is no such recipe."""
    if name not in (names := summaries()):
        raise ValueError(f"A recipe is one of {', '.join(names)}. Received: {name}.")
    return importlib.import_module(f"{__name__}.{name}").main


def _docstring(name):
    module = f"{__name__}.{name}"
    source = importlib.util.find_spec(module).loader.get_source(module)
    return ast.get_docstring(ast.parse(source))
