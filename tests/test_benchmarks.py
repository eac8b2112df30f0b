"""The benchmarks: entries that resolve, floors with the flows' networks, options. No timings."""

import ast
import importlib
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from benchmarks import first_step, glow_keras, report, training, worker
from benchmarks.contenders import BENCHMARKS
from keras_flows.layers import CondActnorm, Coupling

BENCHES = Path(training.__file__).parent
SMALL = {"image_shape": (8, 8, 3), "levels": 2, "depth": 2, "hidden": 4}


@pytest.mark.parametrize("model", BENCHMARKS)
def test_each_contender_names_a_function_and_its_floor(model):
    contenders = BENCHMARKS[model].contenders
    for contender in contenders.values():
        module, function = contender.build.split(":")
        tree = ast.parse((BENCHES / f"{module}.py").read_text())  # other libraries may be missing
        found = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert {a.arg for a in found[function].args.args} == set(BENCHMARKS[model].sizes)
        assert contender.floor is None or contender.floor in contenders


def count(layer):
    return sum(int(np.prod(w.shape)) for w in layer.trainable_weights)


def test_the_glow_floor_has_the_networks_of_the_flow():
    flow, floor = glow_keras.flow(**SMALL), glow_keras.floor(**SMALL)
    inner = flow._flatten_layers(include_self=False)
    nets = [layer.net for layer in inner if isinstance(layer, (Coupling, CondActnorm))]
    assert len(nets) == 2 * 2 + 1
    assert count(floor) == sum(map(count, nets)) + 1  # the number that starts it


def test_the_glow_floor_trains_all_its_networks():
    floor = glow_keras.floor(**SMALL)
    x = worker.images(BENCHMARKS["glow"], "synthetic", 4)[:, :8, :8]
    assert x.dtype == "uint8"
    floor.compile(keras.optimizers.SGD(1e-4))
    floor.fit(x, batch_size=2, verbose=0)
    before = [keras.ops.convert_to_numpy(w) for w in floor.trainable_weights]
    floor.fit(x, batch_size=2, verbose=0)
    after = [keras.ops.convert_to_numpy(w) for w in floor.trainable_weights]
    assert all((a != b).any() for a, b in zip(after, before))


@pytest.mark.filterwarnings("ignore:torch.lu")
@pytest.mark.parametrize("peer", ["normflows", "nflows", "FrEIA"])
def test_a_peer_has_the_parameters_of_the_flow(peer):
    pytest.importorskip(peer)
    build = worker.load(BENCHMARKS["glow"].contenders[peer].build)
    model, loss_of = build(**SMALL)
    found = sum(p.numel() for p in model.parameters() if p.requires_grad)
    # nflows has triangles of n (n - 1) / 2 in place of squares, and a bias.
    fewer = 2 * sum(n * n for n in (12, 24)) if peer == "nflows" else 0
    assert found == count(glow_keras.flow(**SMALL)) - fewer
    torch = importlib.import_module("torch")
    pixels = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    # Worse than the uniform density of 5.5 nats a pixel by little: it starts near a normal's.
    assert 5 < loss_of(pixels).item() / (8 * 8 * 3) < 8


@pytest.mark.parametrize(
    ("main", "argv", "message"),
    [
        (training, "glow --data mnist", "--data mnist is not for glow"),
        (training, "glow --contenders nobody", "unknown contenders ['nobody']"),
        (training, "nice --batch 0", "must be 1 or more"),
        (first_step, "nice", "invalid choice"),
        (first_step, "glow --backends numpy", "unknown backends ['numpy']"),
        (first_step, "glow --depths 4,0", "must be 1 or more"),
    ],
)
def test_wrong_options_are_refused(main, argv, message, capsys):
    with pytest.raises(SystemExit):
        main.parse(argv.split())
    assert message in capsys.readouterr().err


def test_the_batch_is_the_benchmarks_own_unless_given():
    assert training.parse(["glow"]).batch == 16
    assert training.parse(["nice"]).batch == 128
    assert training.parse(["glow", "--batch", "4"]).batch == 4
    assert training.parse(["nice", "--quick"]).batch == 16


def test_a_first_step_is_measured_in_a_process_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setitem(BENCHMARKS["glow"].sizes, "levels", 1)
    backend = keras.backend.backend()
    argv = f"glow --backends {backend} --depths 1 --hidden 4 --batch 2 --out {tmp_path}".split()
    assert first_step.main(argv) == 0
    result = json.loads((tmp_path / "first_step_glow.json").read_text())
    (entry,) = result["runs"]
    stages = [entry[stage]["wall_s"] for stage in first_step.STAGES]
    assert min(stages) > 0 and stages[-1] == pytest.approx(sum(stages[:-1]))
    table = (tmp_path / "first_step_glow.md").read_text()
    assert f"|{backend}|1|{entry['parameters']:,}|" in table
    assert report.machine()["cpu"] in table
