"""The habit of all builders: what the flow is of comes first, then keywords in one order."""

import inspect
import itertools
import pathlib
import re

import keras
import pytest

from keras_flows import models
from tests.numeric import array

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "layers.md"
SUBJECTS = ("dims", "image_shape")
# Words that the table has another word for.
REPLACED = {
    *("depth", "couplings", "layers", "layers_per_block", "channels", "width", "widths"),
    *("scales", "dequantization", "batch_norm", "image_size", "num_classes"),
}
pairs = pytest.mark.parametrize("one, other", itertools.combinations(models.__all__, 2))
builders = pytest.mark.parametrize("name", models.__all__)


def parameters(name):
    """Parameters of a builder; a class may also take the options of Keras' models as kwargs."""
    received = inspect.signature(getattr(models, name)).parameters.values()
    if isinstance(getattr(models, name), type):
        received = [p for p in received if p.kind is not p.VAR_KEYWORD]
    return list(received)


def keywords(name):
    return [p.name for p in parameters(name)[1:]]


def table():
    """The row of each builder in the documentation: its words, column by column."""
    text = PAGE.read_text().split("| builder | data shape |")[1].split("\n\n")[0]
    rows = [line.split("|")[1:-1] for line in text.splitlines()[2:]]
    cells = [[re.findall(r"`(\w+)`", cell) for cell in row] for row in rows]
    return {name: columns for (name,), *columns in cells}


@builders
def test_the_first_argument_is_required_and_the_rest_are_keywords(name):
    first, *rest = parameters(name)
    assert first.name in SUBJECTS and first.kind is first.POSITIONAL_OR_KEYWORD
    assert first.default is first.empty
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in rest)


@builders
def test_the_words_are_those_of_the_table(name):
    columns = table()[name]
    words = [word for column in columns for word in column]
    ending = ["seed"] if isinstance(getattr(models, name), type) else ["seed", "name"]
    assert [parameters(name)[0].name, *keywords(name)] == [*words, *ending]
    assert not REPLACED & set(keywords(name))


def test_the_table_has_a_row_for_each_builder():
    assert set(table()) == set(models.__all__)


@pairs
def test_builders_have_common_words_in_the_same_order_and_column(one, other):
    common = set(keywords(one)) & set(keywords(other))
    ordered = [[word for word in keywords(name) if word in common] for name in (one, other)]
    assert ordered[0] == ordered[1]
    places = [
        {word: i for i, column in enumerate(table()[name]) for word in column}
        for name in (one, other)
    ]
    assert all(places[0].get(word) == places[1].get(word) for word in common)


@builders
@pytest.mark.parametrize("wrong", [None, 0, 2.5, "32", (28, 28), (4, 4, 0), [], True])
def test_a_first_argument_that_cannot_work_is_refused_with_one_that_can(name, wrong):
    subject = parameters(name)[0].name
    example = {"dims": r"\(\d+\)", "image_shape": r"\(\(\d+, \d+, \d\)\)"}[subject]
    if wrong == 0 and subject == "image_shape":
        wrong = 32  # dims of pictures
    with pytest.raises(ValueError, match=rf"{name} needs {subject}.*{name}{example}.*Received"):
        getattr(models, name)(wrong)


@builders
def test_without_a_first_argument_the_error_names_it(name):
    with pytest.raises(TypeError, match=f"required.*{parameters(name)[0].name}"):
        getattr(models, name)()


@pytest.mark.parametrize(
    "name, options, layers",
    [
        ("NICE", {"steps": 1}, 5),
        ("MAF", {"steps": 1}, 2),
        ("IAF", {"steps": 1}, 2),
        ("VAE", {"steps": 1, "latent": 2}, 2),
    ],
)
def test_an_integer_is_the_width_of_all_hidden_layers(name, options, layers):
    shapes = []
    for hidden in (4, (4,) * layers):
        keras.utils.set_random_seed(0)
        model = getattr(models, name)(4, hidden=hidden, seed=0, **options)
        shapes.append([array(v).shape for v in model.trainable_variables])
    assert shapes[0] == shapes[1] and len(shapes[0]) > 0


@builders
@pytest.mark.parametrize("wrong", [0, -1, 1.5, "64", None, (64, 0)])
def test_a_width_that_cannot_work_is_refused(name, wrong):
    size = {"dims": 4, "image_shape": (8, 8, 2)}[parameters(name)[0].name]
    with pytest.raises(ValueError, match="hidden.*Received"):
        getattr(models, name)(size, hidden=wrong)
