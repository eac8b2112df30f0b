"""What every test starts from: a backend, a seed, and the default dtypes again after it."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["JAX_ENABLE_X64"] = "1"  # float64 tests; must be set before keras is imported
if "PYTEST_XDIST_WORKER" in os.environ:  # as many processes as cores: one thread each
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")

import keras  # noqa: E402
import pytest  # noqa: E402


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests that share what they compute stay together: those of a file, the battery's of a layer."""
    for item in items:
        params = getattr(item, "callspec", None) and item.callspec.params or {}
        layer = params.get("name", "") if item.path.name == "test_layers.py" else ""
        item.add_marker(pytest.mark.xdist_group(f"{item.path.name} {layer}"))


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
