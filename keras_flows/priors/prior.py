"""The base of all priors: a log density in nats, and samples with a temperature."""

import keras
import numpy as np
from keras import ops


class Prior(keras.layers.Layer):
    """Base of priors over latents; `build` takes the shape of the latents.

    A subclass defines `log_prob(z)`, `(batch, ...)` to `(batch,)` in nats, and
    `transform(u, temperature)`, from standard draws to samples. `draw` makes
    the standard draws. A `conditional` prior takes the contexts of the flow as
    further arguments of `build`, `log_prob` and `transform`.
    """

    conditional = False
    # A prior whose context is a label has `(classes, optional)`: the flow checks that labels are
    # from 0 to classes - 1, or -1 for no class where labels are optional. See docs/own_layer.md.
    label_range = None
    quantile = None  # of a standard draw, where dimensions are independent

    def __init__(self, *, dtype=None, **kwargs):
        super().__init__(dtype=dtype or keras.config.dtype_policy().variable_dtype, **kwargs)

    def build(self, latent_shape):
        if not latent_shape or None in latent_shape[1:]:
            raise ValueError(
                f"A prior needs a latent of known shape. Received: latent_shape={latent_shape}."
            )
        self.latent_shape = tuple(latent_shape[1:])

    def draw(self, shape, seed):
        return keras.random.normal(shape, dtype=self.variable_dtype, seed=seed)

    def sample(self, n, temperature=1.0, seed=None, *context):
        """`n` latents, `(n, ...)`; `temperature` scales their spread around the mode.

        The temperature is a number, or an array with one for each latent
        dimension. A context has one row for each latent.
        """
        check_count(n)
        values = np.asarray(temperature)
        if not np.all(np.isfinite(values)) or np.any(values < 0):
            raise ValueError(
                f"temperature is a finite number of 0 or more. Received: temperature={temperature}."
            )
        if np.ndim(temperature):
            temperature = ops.convert_to_tensor(temperature, self.variable_dtype)
        return self.transform(self.draw((n, *self.latent_shape), seed), temperature, *context)

    def adapt(self, *context):
        """Data-dependent initialisation from contexts; most priors need none."""

    def call(self, z, *context):
        return self.log_prob(z, *context)


def check_count(n):
    """Raises a ValueError unless n is a whole number of 1 or more."""
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"The number of samples, n, is an integer of 1 or more. Received: n={n}.")
