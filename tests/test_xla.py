"""TensorFlow under XLA, the default of Keras on a GPU: the same losses as without."""

import keras
import numpy as np
import pytest

from keras_flows.models import IAF, MAF, NICE, NSF, Glow, Jet, RealNVP, TarFlow

PIXELS = np.random.default_rng(0).integers(0, 256, size=(8, 4, 4, 1)).astype("uint8")
ROWS = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
PICTURE = {"image_shape": (4, 4, 1), "seed": 0}
TARFLOW = {**PICTURE, "steps": 1, "patch": 2, "hidden": 4, "noise": "uniform"}


def glow(steps=16, **options):
    return Glow(**PICTURE, levels=1, steps=steps, hidden=4, **options)


def with_backprop(flow, backprop):
    flow.backprop = backprop
    return flow


FLOWS = {
    "Glow": glow,
}
SLOW = {
    "Glow, reversible": lambda: with_backprop(glow(), "reversible"),
    "Glow, remat": lambda: with_backprop(glow(), "remat"),
    "Glow of the paper": lambda: glow(variant="paper"),
    "IAF": lambda: IAF(4, steps=2, hidden=(8, 8)),
    "Jet": lambda: Jet(**PICTURE, steps=3, patch=2, hidden=8, blocks=16),
    "MAF": lambda: MAF(4, steps=2, hidden=(8, 8)),
    "NICE": lambda: NICE(4, steps=2, hidden=(8,)),
    "NSF": lambda: NSF(4, steps=2, hidden=8),
    "RealNVP": lambda: RealNVP(**PICTURE, levels=1, hidden=4, blocks=1),
    "TarFlow": lambda: TarFlow(**TARFLOW, blocks=16),
    "TarFlow, remat": lambda: with_backprop(TarFlow(**TARFLOW, blocks=16), "remat"),
}


def losses(make, compiled):
    """Losses of two epochs and of the evaluation after them, and samples."""
    keras.utils.set_random_seed(0)
    flow = make()
    x = PIXELS if flow.discrete else ROWS
    flow.compile("adam", jit_compile=compiled)
    losses_of_epochs = flow.fit(x, batch_size=4, epochs=2, shuffle=False, verbose=0).history["loss"]
    flow.decoder.jit_compile = compiled
    samples = flow.sample(4, seed=0)
    return [*losses_of_epochs, flow.evaluate(x, verbose=0, return_dict=True)["loss"]], samples


if keras.backend.backend() == "tensorflow":

    @pytest.mark.parametrize(
        "name", [*FLOWS, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
    )
    def test_losses_under_xla_are_those_without(name):
        make = {**FLOWS, **SLOW}[name]
        (compiled_losses, samples), (expected, _) = losses(make, True), losses(make, False)
        np.testing.assert_allclose(compiled_losses, expected, rtol=2e-3)
        assert np.isfinite(samples).all()
