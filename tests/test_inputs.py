"""Data and contexts in every form, and the inputs that a flow refuses."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import Flow, layers
from keras_flows.flow.batch_size import default_batch_size
from tests.flows import vector_flow, vectors
from tests.multiscale import eager
from tests.numeric import array, perturb
from tests.test_flow import as_py_dataset, as_tf_data, as_torch_loader

N = 32


def scalar_flow():
    """p(y | c) for one number y and two numbers c, as in regression."""
    y, c = keras.Input((1,), name="y"), keras.Input((2,), name="c")
    return Flow(keras.Model([y, c], layers.CondActnorm()([layers.Actnorm()(y), c])))


def rows(n=N):
    c = np.random.default_rng(0).normal(size=(n, 2)).astype("float32")
    return 2 + c[:, :1] + 0.1 * c[:, 1:], c


class Column:
    """The interface of a pandas Series that a flow uses."""

    name = "y"

    def __init__(self, values, dtype="float64"):
        self.values, self.dtype, self.shape = values, np.dtype(dtype), values.shape

    def to_numpy(self, dtype=None, na_value=None):
        return self.values.astype(dtype or "O")


class Frame(Column):
    """The interface of a pandas DataFrame with columns of different dtypes."""

    columns = ["a", "b"]

    def __getitem__(self, name):
        return Column(self.values[:, 0], self.dtype)


def pairs(kind, nested):
    """Batches of (y, c), or of ((y, c),)."""
    y, c = rows()
    if kind == "tf.data":
        return as_tf_data(((y, c),) if nested else (y, c))
    if kind == "generator":
        both = ((y[i : i + 16], c[i : i + 16]) for i in (0, 16))
        return ((pair,) if nested else pair for pair in both)
    if kind == "DataLoader":
        torch = pytest.importorskip("torch")
        both = [(torch.as_tensor(a), torch.as_tensor(b)) for a, b in zip(y, c)]
        return torch.utils.data.DataLoader([(p,) for p in both] if nested else both, 16)

    class Pairs(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, i):
            pair = y[16 * i : 16 * i + 16], c[16 * i : 16 * i + 16]
            return (pair,) if nested else pair

    return Pairs()


@functools.cache
def made():
    flow = eager(perturb(scalar_flow()))
    flow.adapt(*rows())
    flow.compile("sgd", run_eagerly=keras.backend.backend() == "tensorflow")
    return flow


y, c = rows()
FORMS = {
    "two arguments": (y, c),
    "list": ([y, c],),
    "tuple in a tuple": (((y, c),),),
    "dict": ({"c": c, "y": y},),
    "y without its axis": (y[:, 0], c),
    "context in a dict": (y, {"c": c}),
    "tables": (Column(y[:, 0]), Frame(c)),
    "nested lists": (y.tolist(), c.tolist()),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_results(form):
    flow, args = made(), FORMS[form]
    expected = flow.log_prob(y, c)
    assert expected.shape == (N,) and expected.std() > 0.01
    np.testing.assert_allclose(flow.log_prob(*args), expected, rtol=1e-5)
    np.testing.assert_allclose(flow.reconstruct(*args), y, atol=1e-5)
    np.testing.assert_allclose(flow.encode(*args), flow.encode(y, c), rtol=1e-5)
    np.testing.assert_allclose(flow.evaluate(*args, verbose=0), -expected.mean(), rtol=1e-4)
    fresh = scalar_flow()
    fresh.adapt(*args)
    np.testing.assert_allclose(array(fresh.encoder.layers[1].bias), -y.mean() / y.std(), rtol=1e-4)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("kind", ["tf.data", "PyDataset", "DataLoader", "generator"])
def test_data_sets_of_pairs(kind, nested):
    flow, fresh = made(), eager(scalar_flow())
    loss = flow.evaluate(pairs(kind, nested), steps=2, verbose=0)
    np.testing.assert_allclose(loss, -flow.log_prob(y, c).mean(), rtol=1e-4)
    fresh.compile("sgd", run_eagerly=keras.backend.backend() == "tensorflow")
    fresh.fit(
        pairs(kind, nested),
        validation_data=pairs(kind, nested),
        steps_per_epoch=2,
        validation_steps=2,
        verbose=0,
    )
    assert not fresh.needs_adapt and int(array(fresh.optimizer.iterations)) == 2
    np.testing.assert_allclose(flow.log_prob(pairs(kind, nested)), flow.log_prob(y, c), rtol=1e-4)


def test_data_sets_with_sample_weights():
    flow, weights = made(), np.zeros(N, "float32")
    weights[:4] = 1
    data = as_tf_data((y, c, weights))
    expected = -(flow.log_prob(y, c) * weights).mean()
    np.testing.assert_allclose(flow.evaluate(data, verbose=0), expected, rtol=1e-4)


def test_validation_data_has_the_same_forms():
    flow = made()
    before = flow.get_weights()
    expected = [-flow.log_prob(y, c).mean()] * 3
    options = {"batch_size": N, "verbose": 0, "epochs": 1}
    losses = []
    for held_out in ((y, c), ([y, c],), {"y": y, "c": c}):
        flow.compile(keras.optimizers.SGD(0.0), run_eagerly=flow.run_eagerly)
        losses += flow.fit(y, c, validation_data=held_out, **options).history["val_loss"]
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    assert all(np.array_equal(a, b) for a, b in zip(before, flow.get_weights()))


@pytest.mark.parametrize("one", [c[3], c[3:4], c[3].tolist(), ops.convert_to_tensor(c[3:4])])
def test_a_context_of_one_row_is_used_for_all_samples(one):
    flow, repeated = made(), np.repeat(c[3:4], N, axis=0)
    np.testing.assert_allclose(array(flow.log_prob(y, one)), flow.log_prob(y, repeated), rtol=1e-4)
    np.testing.assert_allclose(
        flow.sample(5, seed=0, context=one), flow.sample(5, seed=0, context=repeated[:5]), rtol=1e-5
    )


@pytest.mark.parametrize(
    "args",
    [(c, y), (y, c[:, :1]), (y, c[:5]), (np.ones((N, 3), "float32"), c), (y[:, None, None], c)],
    ids=["order", "width", "length", "width of y", "rank"],
)
@pytest.mark.parametrize("method", ["fit", "adapt", "evaluate", "log_prob", "encode", "tensors"])
def test_messages_name_the_received_and_the_expected_shapes(method, args):
    flow = made()
    call = getattr(flow, method, None) or (lambda *v: flow.log_prob(*map(ops.convert_to_tensor, v)))
    expected = r"'y' of shape \(n, 1\) and context 'c' of shape \(n, 2\).*Received: shapes "
    received = ", ".join(str(v.shape) for v in args).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ValueError, match=expected + received):
        call(*args)


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_batches_of_other_shapes_are_refused(method):
    flow, other = made(), perturb(vector_flow())
    other.adapt(vectors(8))
    other.compile("sgd")
    for model, data in (
        (flow, as_tf_data((c, y))),
        (flow, as_tf_data(y)),
        (other, as_tf_data((vectors(N), c))),
        (other, as_py_dataset(c)),
    ):
        with pytest.raises(ValueError, match="Received"):
            getattr(model, method)(data, verbose=0)


@pytest.mark.parametrize("method", ["fit", "evaluate", "log_prob", "encode", "adapt"])
def test_a_flow_without_a_context_refuses_one(method):
    flow = vector_flow()
    flow.compile("sgd")
    with pytest.raises(ValueError, match="no context.*Received"):
        getattr(flow, method)(vectors(N), c)


@pytest.mark.parametrize("method", ["fit", "evaluate", "log_prob", "encode", "adapt"])
def test_empty_arrays_and_nan_are_refused(method):
    flow = made()
    with pytest.raises(ValueError, match=r"one sample or more.*shape \(0, 1\)"):
        getattr(flow, method)(y[:0], c[:0])
    for place, bad in ((0, np.nan), (1, -np.inf)):
        parts = [y.copy(), c.copy()]
        parts[place][7, -1] = bad
        with pytest.raises(ValueError, match=f"{bad} in '{'yc'[place]}', column {place}, row 7"):
            getattr(flow, method)(*parts)


def test_text_is_refused():
    flow, text = made(), np.array([["a", "b"]] * N)
    for bad in (text, text.astype(object), Frame(text, "O")):
        with pytest.raises(ValueError, match="takes numbers. Received"):
            flow.log_prob(y, bad)
    with pytest.raises(ValueError, match="columns .'a', 'b'. of other dtypes"):
        flow.log_prob(y, Frame(text, "O"))


def test_losses_metrics_and_class_weights_are_refused():
    flow = vector_flow()
    for options in ({"loss": "mse"}, {"metrics": ["mae"]}, {"loss_weights": [1.0]}):
        with pytest.raises(ValueError, match="no loss.*Received"):
            flow.compile("sgd", **options)
    flow.compile("sgd")
    with pytest.raises(ValueError, match="sample_weight. Received"):
        flow.fit(vectors(8), class_weight={0: 1.0})


def test_a_compiled_flow_is_compiled_after_loading(tmp_path):
    flow = vector_flow()
    flow.compile(keras.optimizers.Adam(0.02), jit_compile=False)
    flow.save(tmp_path / "flow.keras")
    again = keras.saving.load_model(tmp_path / "flow.keras")
    assert again.compiled and float(array(again.optimizer.learning_rate)) == pytest.approx(0.02)
    config = flow.get_compile_config()
    again.compile_from_config({**config, "loss": "mse", "metrics": ["mae"]})  # of older files
    assert again.compiled


def test_dataloaders_of_bare_tensors():
    torch = pytest.importorskip("torch")
    flow, x = eager(perturb(vector_flow())), vectors(N)
    data = torch.utils.data.DataLoader(torch.as_tensor(x), batch_size=16)
    np.testing.assert_allclose(flow.log_prob(data), flow.log_prob(x), rtol=1e-4)
    np.testing.assert_allclose(flow.log_prob(as_torch_loader(x)), flow.log_prob(x), rtol=1e-4)


def test_smaller_samples_give_larger_batches():
    rows = {
        dims: default_batch_size(np.empty((10**6, 0)), dims) for dims in (1, 6, 100, 784, 12288)
    }
    assert rows == {1: 10_000, 6: 10_000, 100: 1000, 784: 127, 12288: 32}
    assert default_batch_size(np.empty((100, 0)), 12288, even=True) == 25
    assert default_batch_size(iter(()), 6) is None
