"""docs/own_layer.md: each block is a whole program; what a user's layer tells its flow."""

import math
import pathlib
import re

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import Flow, layers, priors
from tests.multiscale import eager

PAGE = (pathlib.Path(__file__).parents[1] / "docs" / "own_layer.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=re.findall("class (.*?)\\(", "".join(BLOCKS)))
def test_a_block_of_the_page_runs_by_itself(block):
    exec(compile(block, "own_layer.md", "exec"), {"__name__": "block"})


class Quarters(layers.FlowLayer):
    """Integers from 0 to 3 to [0, 1), with noise of one bin."""

    integer_levels = 4

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.noise = keras.random.SeedGenerator(0)

    def call(self, inputs):
        x = ops.cast(inputs, self.compute_dtype)
        return super().call(x + keras.random.uniform(ops.shape(x), dtype=x.dtype, seed=self.noise))

    def encode(self, x):
        return x / 4, -x.shape[-1] * math.log(4)

    def decode(self, z):
        return ops.floor(4 * z), z.shape[-1] * math.log(4)


def test_integer_levels_of_a_users_layer_give_bits_per_dim():
    x = keras.Input((2,), dtype="uint8")
    # Logit and logistic cancel: each of the four values has the probability 1/4.
    flow = eager(Flow(keras.Model(x, layers.Logit(1e-6)(Quarters()(x))), priors.StandardLogistic()))
    data = np.random.default_rng(0).integers(0, 4, size=(16, 2)).astype("uint8")
    assert flow.levels == 4 and flow.discrete
    np.testing.assert_allclose(flow.bits_per_dim(data), 2, atol=1e-3)
    with pytest.raises(ValueError, match="integers from 0 to 3. Received: values from 0 to 4"):
        flow.bits_per_dim(np.array([[0, 4]], "uint8"))


class Join(layers.FlowLayer):
    """Two vectors as one."""

    def build(self, shapes):
        self.joined_sizes = [shape[-1] for shape in shapes]

    def encode(self, x):
        return ops.concatenate(x, axis=-1), None

    def decode(self, z):
        return ops.split(z, self.joined_sizes[:1], axis=-1), None

    def compute_output_shape(self, shapes):
        return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))


def test_joined_sizes_of_a_users_layer_are_the_latent_levels():
    x = keras.Input((4,))
    flow = eager(Flow(keras.Model(x, Join()(layers.Split([1, 3])(x)))))
    assert flow.latent_levels == [slice(0, 1), slice(1, 4)]
    samples = flow.sample(8, temperature=[0.0, 1.0], seed=0)
    assert np.all(samples[:, 0] == 0) and np.all(samples[:, 1:] != 0)


class Sign(keras.layers.Layer):
    """Labels 0 and 1, or -1 for none, as a vector of one number."""

    label_range = (2, True)

    def call(self, label):
        return ops.cast(label, self.compute_dtype)[:, None]


def test_the_label_range_of_a_users_layer_is_checked():
    x, label = keras.Input((2,)), keras.Input((), dtype="int32")
    flow = eager(Flow(keras.Model([x, label], layers.CondActnorm()([x, Sign()(label)]))))
    data = np.zeros((3, 2), "float32")
    assert flow.classes == 2 and flow.labels_optional
    with pytest.raises(ValueError, match="classes from 0 to 1, and -1 for none. Received"):
        flow.log_prob(data, 2)
    np.testing.assert_array_equal(flow.log_prob(data), flow.log_prob(data, -1))


class NormalOfLabel(priors.StandardNormal):
    """A normal density whose context is a label."""

    conditional, label_range = True, (3, False)

    def build(self, shapes):
        super().build(shapes[0])

    def log_prob(self, z, label):
        return super().log_prob(z - ops.cast(label, z.dtype)[:, None])


def test_the_label_range_of_a_users_prior_is_checked():
    x, label = keras.Input((2,)), keras.Input((), dtype="int32")
    flow = Flow(keras.Model([x, label], layers.Rescale(1.0)(x)), NormalOfLabel())
    flow = eager(flow)
    assert flow.classes == 3 and not flow.labels_optional
    with pytest.raises(ValueError, match="classes from 0 to 2. Received"):
        flow.log_prob(np.zeros((3, 2), "float32"), 3)
    log_prob = flow.log_prob(np.full((2, 2), 2.0, "float32"), np.array([2, 0]))
    np.testing.assert_allclose(np.diff(log_prob), -4, rtol=1e-5)
