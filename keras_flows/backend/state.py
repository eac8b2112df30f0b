"""Values of variables that survive exceptions.

Keras' JAX trainer removes the values from all variables of a model while `fit`, `evaluate` or
`predict` runs, and passes them from step to step as a state. It donates the memory of each state
to the next step. Only a call that returns puts the values back: after an exception or Ctrl-C,
the variables are empty. `KeepsState` prevents this:

- `predict` and `evaluate` leave the values where they are and donate nothing.
- `fit` and `train_on_batch` keep a reference to each new state as soon as a step returns it. After
  an exception the variables get the values of the newest state.

The other backends train the variables in place and need none of this.
"""

import contextlib
import signal
import threading

import keras

from keras_flows.backend.access import access
from keras_flows.backend.native import jit

WEIGHTS = ("trainable_variables", "non_trainable_variables")
STATE_PARTS = {  # names of the parts of a JAX state by their number: predict, evaluate, fit
    2: WEIGHTS,
    3: (*WEIGHTS, "metrics_variables"),
    4: (*WEIGHTS, "optimizer_variables", "metrics_variables"),
}


class KeepsState:
    """Mixin for a `keras.Model`: exceptions lose no values, and threads do not disturb each other.

    >>> class MyModel(KeepsState, keras.Model): ...
    """

    def fit(self, *args, **kwargs):
        with self._call(exclusive=True, trains=True):
            return super().fit(*args, **kwargs)

    def evaluate(self, *args, **kwargs):
        with self._call(exclusive=True):
            return super().evaluate(*args, **kwargs)

    def train_on_batch(self, *args, **kwargs):
        """As `keras.Model.train_on_batch`."""
        with self._call(exclusive=True, trains=True):
            return super().train_on_batch(*args, **kwargs)

    def test_on_batch(self, *args, **kwargs):
        """As `keras.Model.test_on_batch`."""
        with self._call(exclusive=True):
            return super().test_on_batch(*args, **kwargs)

    def predict_on_batch(self, *args, **kwargs):
        """As `keras.Model.predict_on_batch`."""
        with self._call():
            return super().predict_on_batch(*args, **kwargs)

    @contextlib.contextmanager
    def _call(self, **options):
        with access(self, **options), newest_state(self):
            yield

    def make_predict_function(self, force=False):
        if force or self.predict_function is None:
            super().make_predict_function(force)
            keep_values(self)

    def make_test_function(self, force=False):
        if force or self.test_function is None:
            super().make_test_function(force)
            if keras.backend.backend() == "jax":
                self.test_function = self._make_function(_without_donation(self, self.test_step))

    def _track_variables(self):  # called on torch
        unique_paths(self.variables)
        super()._track_variables()

    # Only Keras' JAX trainer uses what follows.

    def __setattr__(self, name, value):
        # Keras' `__setattr__` would copy the state's lists of arrays after each step.
        if name == "_jax_state":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def _purge_model_variables(self, **parts):
        """Would remove the values of the variables; here they stay."""

    def _get_jax_state(self, **parts):
        state = super()._get_jax_state(**parts)
        self._keep(state)
        return state

    def _make_function(self, step_function, **options):
        if keras.backend.backend() != "jax":
            return super()._make_function(step_function, **options)

        def step(state, data):
            with delay_interrupts():
                outputs, state = step_function(state, data)
                self._keep(state)
            return outputs, state

        return super()._make_function(step, **options)

    def _keep(self, state):
        """Stores the state where `jax_state_sync` finds it."""
        self._jax_state = dict(zip(STATE_PARTS[len(state)], state))


@contextlib.contextmanager
def newest_state(model):
    """A call of Keras' trainer: after an exception, variables get the newest kept values."""
    try:
        yield
    except BaseException:
        if hasattr(model, "jax_state_sync"):
            model.jax_state_sync()
            model._jax_state = None
        raise


def keep_values(model):
    """On JAX, makes `predict` of any model leave values and memory of its variables alone."""
    if keras.backend.backend() == "jax":

        def step(state, data):
            outputs, non_trainable = model.predict_step(state, data)
            return outputs, (state[0], non_trainable)

        step = _without_donation(model, step)
        model.predict_function = model._make_function(step, concatenate_outputs=True)
        object.__setattr__(model, "_purge_model_variables", lambda **parts: None)


def _without_donation(model, step):
    """A compiled `step(state, data)` that copies no weights, though it donates no memory.

    Without donation, a compiled step that returns its state copies all of it. This one returns
    only the variables that the step has changed, and takes the others from its input.
    """

    def changed_variables(state, data):
        outputs, new_state = step(state, data)
        return outputs, [
            [b if b is not a else None for a, b in zip(*part)] for part in zip(state, new_state)
        ]

    if model.jit_compile and not model.run_eagerly:
        changed_variables = jit(changed_variables)

    def whole_state(state, data):
        outputs, changes = changed_variables(state, data)
        return outputs, tuple(
            [a if b is None else b for a, b in zip(*part)] for part in zip(state, changes)
        )

    return whole_state


@contextlib.contextmanager
def delay_interrupts():
    """Ctrl-C takes effect at the end of the block.

    A step's inputs are donated. An interrupt between the end of a step and the assignment of its
    result would lose both.
    """
    handler = signal.getsignal(signal.SIGINT)
    if handler is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupts = []
    signal.signal(signal.SIGINT, lambda *_: interrupts.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if interrupts:
            signal.raise_signal(signal.SIGINT)


def unique_paths(variables):
    """Numbers equal paths of variables.

    Keras' torch backend stores parameters by path, so variables with equal paths would share
    the gradients that a step resets.
    """
    paths = set()
    for variable in variables:
        path, count = variable.path, 1
        while variable.path in paths:
            count += 1
            variable._path = f"{path}_{count}"
        paths.add(variable.path)
