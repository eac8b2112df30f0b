"""A flow's variables: exceptions lose no value, and threads exclude each other where they must."""

import collections
import contextlib
import signal
import threading

import keras

from keras_flows.backend.autodiff import jit

WEIGHTS = ("trainable_variables", "non_trainable_variables")
PARTS = {  # of the state that Keras' JAX trainer passes to a step, by their number
    2: WEIGHTS,
    3: (*WEIGHTS, "metrics_variables"),
    4: (*WEIGHTS, "optimizer_variables", "metrics_variables"),
}


class Access:
    """Which threads may use variables now: one that changes them, or several that read them.

    On JAX only one that reads: there `predict` assigns to all variables of a model.
    """

    def __init__(self):
        self._changed = threading.Condition()
        self._calls = collections.Counter()  # under way, by thread
        self._alone, self.trains = None, False  # the thread that excludes all others

    @contextlib.contextmanager
    def call(self, name, alone, trains):
        """A call from this thread, which may contain others. Waits until other threads are done.

        RuntimeError while another one trains.
        """
        me = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: self._refuses(me) or self._admits(me, alone))
            if self._refuses(me):
                raise RuntimeError(
                    f"'{name}' is being trained in another thread, so its weights change all the "
                    "time. Use it in a callback of fit, or when fit has returned."
                )
            before = self._alone, self.trains
            self._alone, self.trains = me if alone else self._alone, self.trains or trains
            self._calls[me] += 1
        try:
            yield
        finally:
            with self._changed:
                self._alone, self.trains = before if alone else (self._alone, self.trains)
                self._calls[me] -= 1
                self._calls = +self._calls  # without the zeros
                self._changed.notify_all()

    def _refuses(self, me):
        return self.trains and self._alone != me

    def _admits(self, me, alone):
        alone = alone or keras.backend.backend() == "jax"
        return self._alone in (None, me) and not (alone and self._calls.keys() - {me})


@contextlib.contextmanager
def access(flow, alone=False, trains=False):
    """One call that uses the variables of a flow, which its encoder shares, or of another model."""
    shared = vars(getattr(flow, "encoder", flow)).setdefault("_access", Access())
    with shared.call(flow.name, alone, trains):
        if shared.trains and hasattr(flow, "jax_state_sync"):
            flow.jax_state_sync()  # in a callback: the weights that training has reached
        yield


class KeepsState:
    """Mixed into a model: no exception loses the values of its variables.

    On JAX, Keras removes the values from all variables while a call runs and donates
    their memory to each step; only a call that returns puts them back. Here
    predicting and evaluating do neither. In training each new state is noted as
    soon as a step returns it, where Keras finds it after an exception.
    """

    def fit(self, *args, **kwargs):
        with self._call(alone=True, trains=True):
            return super().fit(*args, **kwargs)

    def evaluate(self, *args, **kwargs):
        with self._call(alone=True):
            return super().evaluate(*args, **kwargs)

    def train_on_batch(self, *args, **kwargs):
        """As `keras.Model.train_on_batch`."""
        with self._call(alone=True, trains=True):
            return super().train_on_batch(*args, **kwargs)

    def test_on_batch(self, *args, **kwargs):
        """As `keras.Model.test_on_batch`."""
        with self._call(alone=True):
            return super().test_on_batch(*args, **kwargs)

    def predict_on_batch(self, *args, **kwargs):
        """As `keras.Model.predict_on_batch`."""
        with self._call():
            return super().predict_on_batch(*args, **kwargs)

    @contextlib.contextmanager
    def _call(self, **how):
        with access(self, **how), newest_state(self):
            yield

    def make_predict_function(self, force=False):
        if force or self.predict_function is None:
            super().make_predict_function(force)
            keep_values(self)

    def make_test_function(self, force=False):
        if force or self.test_function is None:
            super().make_test_function(force)
            if keras.backend.backend() == "jax":
                self.test_function = self._make_function(_whole(self, self.test_step))

    def _track_variables(self):  # of torch
        unique_paths(self.variables)
        super()._track_variables()

    # The rest is called by Keras' JAX trainer alone.

    def _purge_model_variables(self, **parts):
        """They keep their values."""

    def _get_jax_state(self, **parts):
        state = super()._get_jax_state(**parts)
        self._note(state)
        return state

    def _make_function(self, step_function, **options):
        if keras.backend.backend() != "jax":
            return super()._make_function(step_function, **options)

        def step(state, data):
            with interrupts_later():
                outputs, state = step_function(state, data)
                self._note(state)
            return outputs, state

        return super()._make_function(step, **options)

    def _note(self, state):
        self._jax_state = dict(zip(PARTS[len(state)], state))


def unique_paths(variables):
    """Numbers equal paths: by path Keras finds the gradients on torch that a step sets to zero."""
    seen = set()
    for variable in variables:
        path, count = variable.path, 1
        while variable.path in seen:
            count += 1
            variable._path = f"{path}_{count}"
        seen.add(variable.path)


@contextlib.contextmanager
def newest_state(model):
    """A call of Keras' trainer that leaves variables at their newest values, whatever it raises."""
    try:
        yield
    except BaseException:
        if hasattr(model, "jax_state_sync"):
            model.jax_state_sync()
            model._jax_state = None
        raise


def keep_values(model):
    """Lets any model's `predict` leave values and memory of its variables alone, on JAX."""
    if keras.backend.backend() == "jax":

        def step(state, data):
            outputs, non_trainable = model.predict_step(state, data)
            return outputs, (state[0], non_trainable)

        step = _whole(model, step)
        model.predict_function = model._make_function(step, concatenate_outputs=True)
        object.__setattr__(model, "_purge_model_variables", lambda **parts: None)


def _whole(model, step):
    """`step(state, data)`, compiled, of which only what it changes of the state is computed."""

    def changes(state, data):
        outputs, new = step(state, data)
        return outputs, [
            [b if b is not a else None for a, b in zip(*part)] for part in zip(state, new)
        ]

    if model.jit_compile and not model.run_eagerly:
        changes = jit(changes)

    def whole(state, data):
        outputs, new = changes(state, data)
        return outputs, tuple(
            [a if b is None else b for a, b in zip(*part)] for part in zip(state, new)
        )

    return whole


@contextlib.contextmanager
def interrupts_later():
    """Ctrl-C takes effect at the end: what is computed inside is not lost on its way to a name."""
    before = signal.getsignal(signal.SIGINT)
    if before is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = []
    signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed:
            signal.raise_signal(signal.SIGINT)
