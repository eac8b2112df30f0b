"""IAF: the inverse of MAF over the same weights, and samples with their density in one pass."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import Flow, layers
from keras_flows.models import IAF, MAF
from keras_flows.networks import MADE
from tests.flows import trained, vectors
from tests.numeric import array, perturb


def pair():
    """A MAF, and an IAF of its layers' inverses in the other order."""
    steps = [layers.MaskedAutoregressive(MADE(2, (8,), o)) for o in ("natural", "reversed")]
    x, u = keras.Input((4,)), keras.Input((4,))
    maf = Flow(keras.Model(x, steps[1](steps[0](x))), name="maf")
    perturb(maf, 0.4)
    iaf = Flow(keras.Model(u, steps[0].inverse()(steps[1].inverse()(u))), name="iaf")
    return maf, iaf


def test_iaf_is_the_inverse_of_maf_over_the_same_weights():
    maf, iaf = pair()
    assert {id(w) for w in maf.trainable_weights} == {id(w) for w in iaf.trainable_weights}
    x = vectors(16)
    np.testing.assert_allclose(iaf.encode(maf.encode(x)), x, atol=1e-4)
    np.testing.assert_allclose(iaf.decode(x), maf.encode(x), atol=1e-5)
    np.testing.assert_allclose(iaf.encode(x), maf.decode(x), atol=1e-5)
    log_dets = maf.predict(x, verbose=0)[1] + iaf.predict(maf.encode(x), verbose=0)[1]
    np.testing.assert_allclose(log_dets, 0, atol=1e-4)
    perturb(maf, 0.2, seed=1)
    np.testing.assert_allclose(iaf.decode(x), maf.encode(x), atol=1e-5)


def test_the_density_of_samples_is_that_of_log_prob():
    for flow, context in ((IAF(3, steps=2, hidden=(8,)), None), (posterior(), np.ones((20, 2)))):
        perturb(flow, 0.3)
        context = None if context is None else context.astype("float32")
        x, log_q = flow.sample_with_log_prob(20, context, seed=1)
        assert tuple(x.shape) == (20, 3) and tuple(log_q.shape) == (20,)
        np.testing.assert_allclose(flow.log_prob(array(x), context), array(log_q), atol=1e-4)
    other = MAF(3, steps=1, hidden=(8,), norm=None, mixture=2)
    x, log_q = other.sample_with_log_prob(20, seed=1)
    np.testing.assert_allclose(other.log_prob(array(x)), array(log_q), atol=1e-4)


def posterior():
    return IAF(3, steps=2, hidden=(8,), context_dims=2)


def test_without_a_number_each_context_gets_one_sample():
    x, _ = posterior().sample_with_log_prob(context=ops.ones((7, 2)))
    assert tuple(x.shape) == (7, 3)
    with pytest.raises(ValueError, match="context for each sample. Received"):
        posterior().sample_with_log_prob()


@keras.saving.register_keras_serializable("my_flows")
class Bound(keras.Model):
    """The reverse divergence from q(x | c) to N(2 c, 1/4), learned through samples of q alone."""

    def __init__(self):
        super().__init__()
        self.q, self.seed = posterior(), keras.random.SeedGenerator(0)

    def call(self, context):
        x, log_q = self.q.sample_with_log_prob(context=context, seed=self.seed)
        target = -0.5 * ops.sum(((x - 2 * context[:, :1]) / 0.5) ** 2, -1) - 3 * np.log(0.5)
        return log_q - target + 1.5 * np.log(2 * np.pi)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return ops.mean(y_pred)


def test_a_posterior_is_learned_through_its_samples():
    model = Bound()
    model.compile(keras.optimizers.Adam(0.03))
    context = np.random.default_rng(0).normal(size=(512, 2)).astype("float32")
    losses = model.fit(context, batch_size=64, epochs=20, verbose=0).history["loss"]
    assert -0.02 < losses[-1] < 0.3 < 1 < losses[0]
    x, _ = model.q.sample_with_log_prob(2000, context[:1].repeat(2000, 0), seed=0)
    np.testing.assert_allclose(array(x).mean(axis=0), 2 * context[0, 0], atol=0.25)
    np.testing.assert_allclose(array(x).std(axis=0), 0.5, atol=0.2)


@pytest.mark.slow
def test_it_can_be_trained_on_data_through_the_loop():
    flow = IAF(3, steps=2, hidden=(8,), standardize=True)
    x = vectors(64, 3)
    flow.adapt(x)
    before = flow.log_prob(x).mean()
    assert trained(flow, x, epochs=4, rate=0.02).log_prob(x).mean() > before + 0.1


def test_options_that_cannot_work_are_refused():
    for options in ({"dims": 0}, {"dims": 2, "steps": 0}, {"dims": 2, "order": "up"}):
        with pytest.raises(ValueError, match="Received"):
            IAF(**options)
