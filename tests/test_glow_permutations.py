"""The recipe `glow_permutations`: its summary, and how it is resumed."""

import json

import numpy as np
import pytest

from keras_flows.recipes import glow_permutations
from keras_flows.recipes.parts.permutation_figures import summarize
from keras_flows.training.run import METRICS


def flow(permutation, seed, bits):
    kind = {"coupling": "affine", "permutation": permutation, "seed": seed}
    return {**kind, "test_bits_per_dim": bits, "curve": [bits + 1, bits], "seconds": 60}


def test_summary_says_whether_the_papers_order_held():
    flows = [flow("inv_conv", 0, 3.0), flow("reverse", 0, 5.0), flow("reverse", 1, 6.0)]
    affine_summary = summarize(flows)["affine"]
    assert affine_summary["order_of_the_paper"] is None
    assert affine_summary["reverse"]["test"] == {"mean": 5.5, "lowest": 5.0, "highest": 6.0}
    for shuffle, held in ((4.0, True), (9.0, False)):
        affine_summary = summarize([*flows[:2], flow("shuffle", 0, shuffle)])["affine"]
        assert affine_summary["order_of_the_paper"] is held


def test_the_curve_has_the_bits_of_every_step_of_every_epoch():
    bits = glow_permutations.Bits(stretch=2)
    for means in ([8.0, 7.5, 7.0, 6.5], [4.0, 3.5]):
        bits.on_epoch_begin(0)
        for i, mean in enumerate(means):
            bits.on_train_batch_end(i, {"bits_per_dim": mean})
    assert bits.curve() == [7.5, 5.5, 3.5]


def test_a_resumed_run_trains_only_the_flows_that_are_left(tmp_path, monkeypatch, capsys):
    data = np.zeros((8, 4, 4, 3), "uint8"), np.zeros(8, "uint8")
    monkeypatch.setattr(glow_permutations.datasets, "cifar10", lambda path, labels: (data, data))
    trained = []

    def train(args, x, test, coupling, permutation, seed):
        trained.append((coupling, permutation, seed))
        if len(trained) == 5:
            raise KeyboardInterrupt
        return {**flow(permutation, seed, 4.0 - 0.1 * len(trained)), "coupling": coupling}

    monkeypatch.setattr(glow_permutations, "train", train)
    options = ["--seeds", "2", "--couplings", "affine", "--out", str(tmp_path)]
    with pytest.raises(KeyboardInterrupt):
        glow_permutations.main(options)
    assert "One flow took 60 s; 5 more take about 5 minutes." in capsys.readouterr().out
    with pytest.raises(ValueError, match="--resume.*--overwrite.*Received"):
        glow_permutations.main(options)
    glow_permutations.main([*options, "--resume"])
    assert len(trained) == 7 and len(set(trained)) == 6
    assert len(json.loads((tmp_path / METRICS).read_text())["flows"]) == 6
    with pytest.raises(ValueError, match="other settings.*Received"):
        glow_permutations.main([*options, "--resume", "--hidden", "2"])
    data[0][:] = 1
    with pytest.raises(ValueError, match="other settings.*Received"):
        glow_permutations.main([*options, "--resume"])
