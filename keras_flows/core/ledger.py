"""What holds while flow layers are called: where log-determinants go, whether data initialise."""

import contextvars

from keras import ops

from keras_flows.core.scopes import holding

_ledger = contextvars.ContextVar("keras_flows_ledger", default=None)
_adapting = contextvars.ContextVar("keras_flows_adapting", default=False)


class Ledger:
    """Collects the log-determinants of the flow layers called inside it.

    `with Ledger() as ledger: z = encoder(x)` leaves in `ledger.total()` the
    log|det dz/dx| of the whole encoder, a scalar or of shape `(batch,)`. One
    inside a layer, `Ledger(Ledger.active())`, asks for a density only where
    one was asked for outside.
    """

    def __init__(self, density=True):
        self.entries, self.density = [], density

    def __enter__(self):
        self._token = _ledger.set(self)
        return self

    def __exit__(self, *_):
        _ledger.reset(self._token)

    def total(self):
        return sum(self.entries[1:], self.entries[0]) if self.entries else ops.zeros(())

    @staticmethod
    def active():
        """Whether a density is being computed."""
        return _ledger.get() is not None and _ledger.get().density


def adapting():
    """Flow layers called eagerly inside initialise themselves from their input."""
    return holding(_adapting, True)


def is_adapting():
    return _adapting.get()


def record(layer, log_det):
    """Hands a log-determinant to the ledger or, in a plain `keras.Model`, to `add_loss`."""
    ledger = _ledger.get()
    if ledger is None:
        layer.add_loss(-ops.mean(log_det))
    else:
        ledger.entries.append(log_det)
