"""The ledger: where flow layers put their log-determinants."""

from keras import ops

from keras_flows.core.scope import current, scope


class Ledger:
    """Collects the log-determinants of the flow layers that are called inside it.

    After `with Ledger() as ledger: z = encoder(x)`, `ledger.total()` is the
    log|det dz/dx| of the whole encoder: a scalar, or of shape `(batch,)`.

    Args:
        density: whether the log-determinants are part of a density.
            `Dequantize` adds noise only then. A layer that opens a ledger for
            its inner layers passes on `Ledger.active()`.
    """

    def __init__(self, density=True):
        self.entries, self.density = [], density

    def __enter__(self):
        self._scope = scope(ledger=self)
        self._scope.__enter__()
        return self

    def __exit__(self, *error):
        self._scope.__exit__(*error)

    def total(self):
        return sum(self.entries[1:], self.entries[0]) if self.entries else ops.zeros(())

    @staticmethod
    def active():
        """Whether a density is being computed."""
        ledger = current().ledger
        return ledger is not None and ledger.density


def record(layer, log_det):
    """Adds a log-determinant to the ledger or, in a plain `keras.Model`, to the layer's losses."""
    ledger = current().ledger
    if ledger is None:
        layer.add_loss(-ops.mean(log_det))
    else:
        ledger.entries.append(log_det)
