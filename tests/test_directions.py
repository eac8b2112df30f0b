"""The table of docs/directions.md, checked by counting evaluations of networks."""

import pathlib

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows.core import lipschitz
from keras_flows.layers import DiscretizedLogistic, chain
from keras_flows.layers.base_coupling import BaseCoupling
from keras_flows.models import (
    IAF,
    IDF,
    MAF,
    NICE,
    Glow,
    ImplicitFlow,
    Jet,
    RealNVP,
    ResidualFlow,
    TarFlow,
)
from keras_flows.networks import MADE, CausalTransformer, LipschitzMLP

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "directions.md"
SMALL = {"image_shape": (4, 4, 1), "hidden": 4}
FLOWS = {
    "NICE": lambda: NICE(6, steps=2, hidden=(8,)),
    "RealNVP": lambda: RealNVP(levels=1, blocks=1, **SMALL),
    "Glow": lambda: Glow(levels=1, steps=2, **SMALL),
    "Jet": lambda: Jet((4, 4, 1), steps=2, patch=2, hidden=4, blocks=1),
    "MAF": lambda: MAF(6, steps=2, hidden=(8,)),
    "IAF": lambda: IAF(6, steps=2, hidden=(8,)),
    "IDF": lambda: IDF(levels=1, steps=2, parts=2, blocks=1, **SMALL),
    # Patches of one number: as many patches as dimensions.
    "TarFlow": lambda: TarFlow((2, 3, 1), steps=2, patch=1, hidden=4, blocks=1, noise="uniform"),
}
ITERATED = {
    "ResidualFlow": lambda: ResidualFlow(6, steps=2, hidden=8),
    "ImplicitFlow": lambda: ImplicitFlow(6, steps=2, hidden=8),
}


def rows():
    """The cells of the page, as {flow: {column: cell}}."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    head, _, *body = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: dict(zip(head[1:], cells)) for name, *cells in body}


def counted(flow, monkeypatch):
    """The number of evaluations of each network, of all of it or for one dimension."""
    counts = {}

    def count(net, method):
        before = getattr(net, method)

        def wrapped(*args, **kwargs):
            counts[id(net)] = counts.get(id(net), 0) + 1
            return before(*args, **kwargs)

        monkeypatch.setattr(net, method, wrapped)

    for layer in flow._flatten_layers(include_self=False):
        if isinstance(layer, MADE):
            count(layer, "_network")
        elif isinstance(layer, CausalTransformer):
            count(layer, "call")
            count(layer, "step")
        elif isinstance(layer, (BaseCoupling, DiscretizedLogistic)) and layer.net is not None:
            count(layer.net, "call")
        elif isinstance(layer, (keras.Sequential, LipschitzMLP)):
            count(layer, "call")
    return counts


def step_by_step(monkeypatch):
    """Replaces compiled loops by Python loops."""

    def loop(lower, upper, body, carry):
        for i in range(lower, upper):
            carry = body(ops.convert_to_tensor(i, "int32"), carry)
        return carry

    def while_loop(condition, body, carry):
        while condition(*carry):
            carry = body(*carry)
        return carry

    monkeypatch.setattr(ops, "fori_loop", loop)
    monkeypatch.setattr(ops, "while_loop", while_loop)


def eager(flow, x):
    """For each column of the table a call that is not compiled."""
    tensor = ops.convert_to_tensor(x)
    z = ops.ones((len(x), flow.dims))

    flow.compile("sgd", run_eagerly=True, jit_compile=False)
    if keras.backend.backend() != "jax":
        flow.train_on_batch(x)  # the first step also builds

    return {
        "inference, z of x": lambda: flow.encoder(tensor),
        "sampling, x of z": lambda: flow.decoder(z),
        "density of given data": lambda: flow.log_prob(tensor),
        "training by likelihood": lambda: flow.train_on_batch(x),
        "samples with their density": lambda: flow.sample_with_log_prob(len(x), seed=0),
    }


@pytest.mark.parametrize("name", FLOWS)
def test_each_cell_is_right(name, monkeypatch):
    # Stacked steps share the first one's network: evaluations could not be told apart.
    monkeypatch.setattr(chain, "can_stack", lambda *args, **options: False)
    flow = FLOWS[name]()
    x = np.random.default_rng(0).integers(0, 2, (3, *flow.data_shape))
    x = x.astype(keras.backend.standardize_dtype(flow.encoder.inputs[0].dtype))
    flow.adapt(x)
    step_by_step(monkeypatch)
    counts = counted(flow, monkeypatch)
    cells = rows()[name]
    calls = eager(flow, x)
    assert list(cells) == list(calls)
    for column, call in calls.items():
        counts.clear()
        call()
        assert len(counts) >= 2, column
        expected = {"parallel": 1, "sequential": flow.dims}[cells[column]]
        # A trainer may run the networks once more, on symbols.
        most = 2 * expected if column.startswith("training") else expected
        assert all(expected <= count <= most for count in counts.values()), (column, counts)


@pytest.mark.parametrize("name", ITERATED)
def test_each_cell_of_an_iterated_flow_holds(name, monkeypatch):
    flow = ITERATED[name]()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, *flow.data_shape)).astype("float32")
    flow.adapt(x)
    for weight in flow.trainable_variables:  # so far from the identity that iterations take a while
        weight.assign(0.5 * rng.normal(size=weight.shape))
    lipschitz.refresh(flow)
    step_by_step(monkeypatch)
    counts = counted(flow, monkeypatch)
    cells = rows()[name]
    calls = eager(flow, x)
    assert list(cells) == list(calls)
    for column, call in calls.items():
        compiled = column.startswith("training") and keras.backend.backend() == "jax"
        if compiled and cells[column] == "iterated":
            continue  # the number of evaluations is known only when it runs
        counts.clear()
        call()
        assert len(counts) in (2, 4), column
        # Once for the value, once for the Jacobian; a trainer may run them on symbols, too. Of an
        # implicit block one network is iterated, whatever the direction.
        most = 4 if column.startswith("training") else 2
        blocks = 0 if cells[column] == "parallel" else 2
        assert sum(4 < count < 60 for count in counts.values()) == blocks, (column, counts)
        assert sum(count <= most for count in counts.values()) == len(counts) - blocks


def test_the_page_names_every_flow_of_the_test():
    assert list(rows()) == [*FLOWS, *ITERATED]
