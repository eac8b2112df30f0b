"""Weights survive exceptions, Ctrl-C and threads."""

import os
import signal
import threading
import time

import keras
import numpy as np
import pytest

from keras_flows import Flow, layers
from keras_flows.backend.state import delay_interrupts
from tests.flows import vectors
from tests.nets import net
from tests.numeric import arrays

X = vectors()


@pytest.fixture(scope="module")
def trained():
    """A flow after some training, and the values of all its variables."""
    keras.utils.set_random_seed(0)
    x = keras.Input((4,))
    h = layers.Coupling(net(2), split="halves")(layers.InvConv(seed=0)(layers.Actnorm()(x)))
    flow = Flow(keras.Model(x, h))
    flow.compile(keras.optimizers.Adam(0.01))
    fitted(flow)
    return flow, all_values(flow)


@pytest.fixture
def flow(trained):
    flow, start = trained
    restore(flow, start)
    return flow


def restore(flow, values):
    for variable, value in zip([*flow.weights, *flow.optimizer.variables], values, strict=True):
        variable.assign(value)


def fitted(flow, x=X, **options):
    flow.fit(x, batch_size=16, verbose=0, shuffle=False, **options)
    return flow


def all_values(flow):
    return arrays([*flow.weights, *flow.optimizer.variables])


def assert_same(flow, before):
    for a, b in zip(all_values(flow), before, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def stops_early():
    """A generator of batches that fails before the first one."""
    raise OSError("no such file")
    yield X[:16]


NARROW, WORDS = X[:, :3], np.array([["a"] * 4] * 3)
WRONG = {
    "log_prob": lambda flow: flow.log_prob(NARROW),
    "log_prob of words": lambda flow: flow.log_prob(WORDS),
    "log_prob with a context": lambda flow: flow.log_prob(X, context=X),
    "encode": lambda flow: flow.encode(NARROW),
    "decode": lambda flow: flow.decode(NARROW),
    "sample": lambda flow: flow.sample(16, context=X),
    "reconstruct": lambda flow: flow.reconstruct(NARROW),
    "predict": lambda flow: flow.predict(NARROW, verbose=0),
    "predict of data that fails": lambda flow: flow.predict(stops_early(), verbose=0),
    "predict_on_batch": lambda flow: flow.predict_on_batch(NARROW),
    "evaluate": lambda flow: flow.evaluate(NARROW, verbose=0),
    "test_on_batch": lambda flow: flow.test_on_batch(NARROW),
    "train_on_batch": lambda flow: flow.train_on_batch(NARROW),
    "fit": lambda flow: fitted(flow, NARROW),
    "fit of words": lambda flow: fitted(flow, WORDS),
    "fit of data that fails": lambda flow: flow.fit(stops_early(), verbose=0),
}


def test_failed_calls_change_no_weight(flow):
    before, score = flow.get_weights(), flow.log_prob(X)
    for name, call in WRONG.items():
        with pytest.raises(Exception):  # noqa: B017  (each backend has its own)
            print(name, call(flow))
        for a, b in zip(flow.get_weights(), before, strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(flow.log_prob(X), score, rtol=1e-6)


def interrupt(monkeypatch, model, name, after):
    """Raises Ctrl-C in the model's function after some steps, before their result is returned."""
    original, steps = getattr(model, name), []

    def function(*args):
        result = original(*args)
        steps.append(1)
        if len(steps) == after:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(model, name, function)


@pytest.mark.parametrize("name", ["decode", "predict"])
def test_weights_survive_an_interrupt_while_predicting(name, flow, monkeypatch):
    def call():
        return getattr(flow, name)(X, batch_size=16)

    before, expected = all_values(flow), call()
    with monkeypatch.context() as patch:
        model = flow.decoder if name == "decode" else flow
        interrupt(patch, model, "predict_function", after=2)
        with pytest.raises(KeyboardInterrupt):
            call()
    assert_same(flow, before)
    for received, value in zip(call(), expected):
        np.testing.assert_array_equal(received, value)


def test_an_interrupt_keeps_the_steps_before_it(flow, monkeypatch):
    start = all_values(flow)
    expected = all_values(fitted(fitted(flow), X[:32]))
    restore(flow, start)
    with monkeypatch.context() as patch:
        interrupt(patch, flow, "train_function", after=6)
        with pytest.raises(KeyboardInterrupt):
            fitted(flow, epochs=3)
    assert_same(flow, expected)
    fitted(flow)


class Halving(keras.callbacks.Callback):
    """Sets the weights between epochs."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.set_weights([0.5 * w for w in self.model.get_weights()])
        self.kept = self.model.get_weights()


def test_weights_set_by_a_callback_survive_an_error_in_the_next_epoch(flow):
    callback = Halving()

    def batches():
        yield from ((part,) for part in np.split(X, 4))
        raise OSError("no more")

    with pytest.raises(Exception, match="no more"):
        flow.fit(batches(), epochs=2, steps_per_epoch=4, verbose=0, callbacks=[callback])
    for a, b in zip(flow.get_weights(), callback.kept, strict=True):
        np.testing.assert_array_equal(a, b)


def test_ctrl_c_waits_for_the_end_of_the_block():
    # Jobs that a shell starts in the background ignore SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    reached = []
    try:
        with pytest.raises(KeyboardInterrupt):
            with delay_interrupts():
                os.kill(os.getpid(), signal.SIGINT)
                reached.append(sum(range(1000)))
        assert reached and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def in_threads(*functions):
    """The results or exceptions of functions that run in one thread each."""
    results = [None] * len(functions)

    def run(i):
        try:
            results[i] = functions[i]()
        except Exception as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    return results


def test_threads_get_the_same_results_as_one_thread(flow):
    def scores():
        return [flow.log_prob(X, batch_size=16) for _ in range(4)]

    def samples():
        return [flow.sample(16, seed=i) for i in range(4)]

    expected = [scores(), samples()] * 2
    results = in_threads(scores, samples, scores, samples)
    for received, value in zip(results, expected, strict=True):
        np.testing.assert_array_equal(received, value)


class CallsWhileTraining(keras.callbacks.Callback):
    """Scores and samples during training, in the training thread and in others."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            flow = self.model
            self.sample = flow.sample(16, seed=0)
            calls = (lambda: flow.sample(16), lambda: flow.log_prob(X), lambda: fitted(flow))
            self.errors = in_threads(*calls)


def test_other_threads_are_refused_during_training(flow):
    start, callback = all_values(flow), CallsWhileTraining()
    expected = all_values(fitted(flow))
    restore(flow, start)
    fitted(flow, callbacks=[callback])
    for error in callback.errors:
        assert isinstance(error, RuntimeError) and "trained in another thread" in str(error)
    assert_same(flow, expected)
    (sample,) = in_threads(lambda: flow.sample(16, seed=0))
    assert np.isfinite(callback.sample).all() and np.abs(sample - callback.sample).max() > 0


def test_a_callback_that_closes_over_the_flow_sees_the_newest_weights(flow):
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(flow.sample(16, seed=0))
    )
    fitted(flow, callbacks=[watch])
    np.testing.assert_allclose(seen[-1], flow.sample(16, seed=0), rtol=1e-5)
    assert np.abs(np.diff(seen, axis=0)).max(axis=(1, 2)).min() > 0


def test_training_waits_for_calls_in_progress(flow):
    order, reading = [], threading.Event()

    def slow():
        for part in np.split(X, 4):
            reading.set()
            time.sleep(0.05)
            order.append("read")
            yield (part,)

    def train():
        reading.wait(60)
        fitted(flow)
        order.append("trained")

    in_threads(lambda: flow.predict(slow(), verbose=0), train)
    assert order == ["read"] * 4 + ["trained"]
