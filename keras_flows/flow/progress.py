"""`progress`: progress bars while many samples are drawn, encoded or scored."""

import contextlib
import contextvars
import sys

FEWEST = 4  # batches: less is quick, or cannot be foreseen

_shown = contextvars.ContextVar("keras_flows_progress", default=False)


@contextlib.contextmanager
def progress(show=True):
    """Inside the `with` block flows show Keras' progress bar over many batches.

    That is for `log_prob`, `bits_per_dim`, `encode`, `decode`, `sample` and
    `reconstruct`. There is no bar for fewer than 4 batches. With
    `show="auto"` there is one only if the output is a terminal.

    >>> with keras_flows.progress():
    ...     flow.log_prob(pictures)
    """
    token = _shown.set(sys.stdout.isatty() if show == "auto" else bool(show))
    try:
        yield
    finally:
        _shown.reset(token)


def verbose_for(rows, batch_size):
    """Keras' `verbose` for a prediction of so many rows: 1 with a bar, 0 without."""
    return int(_shown.get() and rows >= FEWEST * (batch_size or 32))
