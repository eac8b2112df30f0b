"""The logit, from [0, 1] to the whole line."""

import math

from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register


@register
class Logit(FlowLayer):
    """[0, 1] to the line: z = logit(alpha + (1 - 2 alpha) x).

    log|det dz/dx| = sum(softplus(z) + softplus(-z) + log(1 - 2 alpha)), shape
    `(batch,)`, in nats. The density of the latent then has no hard edges.

    Args:
        alpha: inputs are first mapped to [alpha, 1 - alpha], to stay away from
            the poles; in (0, 1/2), else ValueError.

    Shapes: any to the same. Paper: RealNVP (1605.08803) section 4.1.

    The domain is wider than [0, 1] by alpha / (1 - 2 alpha) at each end, which
    is 0.056 for alpha = 0.05: decoded numbers may lie there, and numbers
    beyond give NaN. For columns that must stay within limits use `Constrained`.

    >>> z = Logit(0.05)(x)
    """

    def __init__(self, alpha=0.05, **kwargs):
        super().__init__(**kwargs)
        if not 0 < alpha < 0.5:
            raise ValueError(f"alpha must be above 0 and below 0.5. Received: alpha={alpha}.")
        self.alpha = float(alpha)

    def _log_det(self, z):
        slope = math.log(1 - 2 * self.alpha)
        return self.sum(ops.softplus(z) + ops.softplus(-z) + slope)

    def encode(self, x):
        s = self.alpha + (1 - 2 * self.alpha) * x
        z = ops.log(s) - ops.log1p(-s)
        return z, self._log_det(z)

    def decode(self, z):
        return (ops.sigmoid(z) - self.alpha) / (1 - 2 * self.alpha), -self._log_det(z)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}
