"""`keras_flows.testing.check_layer` passes correct layers and describes errors of others."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_flows
from keras_flows.core.ledger import Ledger
from keras_flows.layers import Actnorm, CondActnorm, Dequantize, Squeeze
from keras_flows.testing import check_layer
from tests.nets import Sinh
from tests.numeric import array

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")


@keras.saving.register_keras_serializable("check_layer")
class Stretch(keras_flows.layers.FlowLayer):
    """z = exp(k) x + b; each broken layer below changes one method of it."""

    def build(self, input_shape):
        self.k = self.add_weight(name="k", shape=(input_shape[-1],), initializer="zeros")
        self.b = self.add_weight(name="b", shape=(input_shape[-1],), initializer="zeros")

    def encode(self, x):
        return x * ops.exp(self.k) + self.b, ops.sum(self.k)

    def decode(self, z):
        return (z - self.b) * ops.exp(-self.k), -ops.sum(self.k)


def broken(name, **methods):
    kind = type(name, (Stretch,), methods)
    return keras.saving.register_keras_serializable("check_layer")(kind)()


def stretch(x, layer):
    return Stretch.encode(layer, x)[0]


def back(z, layer):
    return Stretch.decode(layer, z)[0]


def sinh(factor=1.0, sign=1.0):
    """`Sinh` with another log-determinant, in both directions."""
    return {
        "encode": lambda self, x: (ops.arcsinh(x), sign * factor * Sinh.encode(self, x)[1]),
        "decode": lambda self, z: (ops.sinh(z), sign * factor * Sinh.decode(self, z)[1]),
    }


def of_batch_mean(method):
    def mean(self, x):
        z, log_det = method(self, x)
        return z, ops.sum(log_det) / 3

    return mean


BROKEN = {
    "sign": (sinh(sign=-1.0), "not that of its Jacobian: its sign is wrong"),
    "factor": (sinh(factor=2.0), "`encode` is not that of its Jacobian"),
    "inverse": (
        {"decode": lambda self, z: (1.1 * back(z, self), -ops.sum(self.k))},
        r"decode\(encode\(x\)\) is not x",
    ),
    "batch mean": (
        {"encode": of_batch_mean(Sinh.encode), "decode": of_batch_mean(Sinh.decode)},
        "the same for all samples, whose Jacobians differ",
    ),
    "weight": (
        {
            "encode": lambda self, x: (x * ops.exp(self.k), ops.sum(self.k)),
            "decode": lambda self, z: (z * ops.exp(-self.k), -ops.sum(self.k)),
        },
        "weight '.*/b' has no gradient",
    ),
    "mixing": (
        {
            "encode": lambda self, x: (x + ops.roll(x, 1, axis=0) * 0.1, None),
            "decode": lambda self, z: (z, None),
        },
        "is not x",
    ),
    "inverse log-det": (
        {"decode": lambda self, z: (back(z, self), ops.zeros(()))},
        "`decode` is not that of its Jacobian",
    ),
    "shape": (
        {"compute_output_shape": lambda self, shape: (*shape[:-1], 2 * shape[-1])},
        "compute_output_shape",
    ),
    "config": ({"get_config": lambda self: {"name": f"n{np.random.random()}"}}, "from_config"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_errors_of_broken_layers_are_described(name):
    methods, message = BROKEN[name]
    with pytest.raises(AssertionError, match=message):
        check_layer(broken(name.title().replace(" ", ""), **methods), X)


def test_samples_that_influence_each_other_are_detected():
    def centred(self, x):
        return x - ops.sum(x, axis=0) / 3 + ops.sum(x[:1], axis=0), None

    check = keras_flows.testing.LayerCheck(broken("Centred", encode=centred), X)
    with pytest.raises(AssertionError, match="depends on the others of its batch"):
        check.samples_do_not_mix()


def test_correct_layers_pass_and_keep_their_weights():
    layer = Stretch()
    check_layer(layer, X)
    assert not array(layer.k).any() and not array(layer.b).any()
    assert not layer.losses
    check_layer(Sinh(), X)
    check_layer(CondActnorm(), [X, X[:, :2]])
    check_layer(Dequantize(), np.arange(6, dtype="uint8").reshape(2, 3))
    check_layer(Squeeze(), X.reshape(3, 2, 2, 1))


def test_float64_needs_a_function_that_makes_the_layer():
    check_layer(Actnorm, X, float64=True)
    check_layer(lambda: Stretch(), X, float64=True)
    assert keras.config.floatx() == "float32"
    with pytest.raises(ValueError, match="pass a function"):
        check_layer(Stretch(), X, float64=True)
    assert keras.config.dtype_policy().name == "float32"

    def rounded(self, x):
        return ops.cast(ops.cast(stretch(x, self), "float32"), "float64"), ops.sum(self.k)

    check_layer(broken("Rounded32", encode=Stretch.encode), X)
    with pytest.raises(AssertionError, match="is not x"):
        check_layer(lambda: broken("Rounded", encode=rounded), X, float64=True)


@pytest.mark.parametrize(
    "args",
    [(keras.layers.Dense(2), X), (Sinh(), X.tolist()), (Sinh(), X[0]), (Sinh(), X[:1])],
    ids=["no flow layer", "a list", "one sample", "a batch of 1"],
)
def test_wrong_arguments_are_refused(args):
    with pytest.raises(ValueError, match="Received"):
        check_layer(*args)


WRONG = {
    "one tensor": lambda self, x: x,
    "three": lambda self, x: (x, None, None),
    "rank 2": lambda self, x: (x, x),
    "one a dimension": lambda self, x: (x, ops.sum(x, axis=0)),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_call_checks_what_encode_returns(name):
    layer = broken("Wrong" + name.title().replace(" ", ""), encode=WRONG[name])
    with pytest.raises(ValueError, match="must return a pair .*Received"), Ledger():
        layer(ops.convert_to_tensor(X))
    layer = broken("WrongBack" + name.title().replace(" ", ""), decode=WRONG[name])
    with pytest.raises(ValueError, match="`decode` of .* must return a pair"), Ledger():
        layer.inverse()(ops.convert_to_tensor(X))
