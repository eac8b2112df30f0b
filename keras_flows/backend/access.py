"""Which threads may use the variables of a model at the same time.

Any number of threads may predict with one model. A thread that trains, evaluates or otherwise
changes variables must be the only one. On JAX, `predict` assigns to all variables of the model
even if it changes none, so there every call must be the only one.
"""

import collections
import contextlib
import threading

import keras


class Access:
    """A lock that either one thread holds exclusively or several threads share.

    A thread that is inside a call may make further calls: callbacks of `fit` predict.
    """

    def __init__(self):
        self._changed = threading.Condition()
        self._calls = collections.Counter()  # number of nested calls of each thread
        self._exclusive = None  # the thread that excludes all others
        self.is_training = False

    @contextlib.contextmanager
    def call(self, name, exclusive, trains):
        """Waits for conflicting calls of other threads, then admits a call from this thread.

        Raises RuntimeError, instead of waiting, while another thread trains.
        """
        thread = threading.get_ident()
        with self._changed:
            self._changed.wait_for(
                lambda: self._must_refuse(thread) or self._may_enter(thread, exclusive)
            )
            if self._must_refuse(thread):
                raise RuntimeError(
                    f"'{name}' is being trained in another thread, so its weights change all the "
                    "time. Use it in a callback of fit, or when fit has returned."
                )
            before = self._exclusive, self.is_training
            self._exclusive = thread if exclusive else self._exclusive
            self.is_training = self.is_training or trains
            self._calls[thread] += 1
        try:
            yield
        finally:
            with self._changed:
                if exclusive:
                    self._exclusive, self.is_training = before
                self._calls[thread] -= 1
                self._calls = +self._calls  # removes zeros
                self._changed.notify_all()

    def _must_refuse(self, thread):
        return self.is_training and self._exclusive != thread

    def _may_enter(self, thread, exclusive):
        exclusive = exclusive or keras.backend.backend() == "jax"
        others = self._calls.keys() - {thread}
        return self._exclusive in (None, thread) and not (exclusive and others)


@contextlib.contextmanager
def access(model, exclusive=False, trains=False):
    """Admits one call that uses the variables of a model.

    A flow and its encoder share their variables, so they share one `Access`.

    Args:
        model: a flow or another model.
        exclusive: whether the call changes variables.
        trains: whether other threads are refused rather than kept waiting.
    """
    lock = vars(getattr(model, "encoder", model)).setdefault("_access", Access())
    with lock.call(model.name, exclusive, trains):
        if lock.is_training and hasattr(model, "jax_state_sync"):
            model.jax_state_sync()  # in a callback: assigns the weights that training has reached
        yield
