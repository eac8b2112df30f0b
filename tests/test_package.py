"""The package as a whole: what importing and building cost, and that its names are there."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import keras_flows

ROOT = Path(__file__).parents[1]
PROBE = """
import sys, keras
before = set(sys.modules)
import keras_flows
print(*sorted({name.split(".")[0] for name in set(sys.modules) - before}))
print(*[name for name in ("tensorflow", "jax", "torch") if name in sys.modules])
keras_flows.models.Glow((4, 4, 1), levels=1, steps=2, hidden=4)
print(*[name for name in ("tensorflow", "jax", "torch") if name in sys.modules])
"""


def test_importing_and_building_import_no_other_backend_and_few_packages():
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    out = subprocess.run([sys.executable, "-c", PROBE], env=env, capture_output=True, text=True)
    added, *backends = (line.split() for line in out.stdout.splitlines()[-3:])
    added = set(added) - set(sys.stdlib_module_names)
    assert added <= {"imageio", "keras_flows", "numpy", "PIL"}, added
    # Keras on TensorFlow imports jax itself where it is installed.
    others = {"tensorflow", "jax", "torch"} - {keras.backend.backend()}
    for found in backends:
        assert keras.backend.backend() in found and not others & set(found) - {"jax"}


@pytest.mark.parametrize("level,expected", [(None, "2"), ("0", "0")])
def test_the_log_level_of_tensorflow_is_set_unless_it_is(level, expected):
    env = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    env |= {"PYTHONPATH": str(ROOT)} | ({"TF_CPP_MIN_LOG_LEVEL": level} if level else {})
    code = "import keras_flows, os; print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert out.stdout.split()[-1] == expected


def test_public_names():
    for name in keras_flows.__all__:
        assert hasattr(keras_flows, name)
    expected = {"Flow", "invert", "layers", "priors", "models", "callbacks", "datasets"}
    assert expected <= set(keras_flows.__all__)
