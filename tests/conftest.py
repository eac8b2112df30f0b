"""What every test starts from: a backend, a seed, and the default dtypes again after it."""

import os
import re

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["JAX_ENABLE_X64"] = "1"  # float64 tests; must be set before keras is imported
if "PYTEST_XDIST_WORKER" in os.environ:  # as many processes as cores: one thread each
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")

import keras  # noqa: E402
import pytest  # noqa: E402


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Tests that share what they compute go to one worker: a file's, of the battery a layer's."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            layer = re.search(r"\[.*?((Inverse-)?[A-Z]\w+-[a-z0-9]+)", nodeid)
            return file + layer[1] if file.endswith("test_layers.py") and layer else file

    return Together(config, log)


@pytest.fixture(autouse=True)
def clean_state():
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


@pytest.fixture(params=["loop", "unrolled"])
def run_as(request, monkeypatch):
    """Whether stacked steps run in a loop or one after another."""
    from keras_flows.core import repeats

    loop_from = 2 if request.param == "loop" else 99
    monkeypatch.setattr(repeats, "LOOP_FROM", dict.fromkeys(repeats.LOOP_FROM, loop_from))
    return request.param
