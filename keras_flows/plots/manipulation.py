"""Directions in latent space: what an attribute looks like to a flow (Glow, section 5)."""

import numpy as np


def attribute_direction(flow, x, has, *, batch_size=None):
    """Mean latent of the data with an attribute minus that of the data without it.

    Args:
        flow: an unconditional `Flow`.
        x: data, an array.
        has: booleans, one a sample.

    Returns an array of the latent's shape. Raises ValueError unless there are
    samples of both kinds. Paper: Glow (1807.03039) section 5.

    >>> smile = attribute_direction(flow, faces, smiling)
    """
    has = np.asarray(has, bool)
    if has.shape != (len(x),) or has.all() or not has.any():
        raise ValueError(
            "An attribute's direction needs one boolean a sample, and samples of both kinds. "
            f"Received: {len(x)} samples, booleans of shape {has.shape}, {has.sum()} of them true."
        )
    z = flow.encode(x, batch_size=batch_size)
    return z[has].mean(0) - z[~has].mean(0)


def manipulate(flow, x, direction, strengths, *, batch_size=None):
    """Data moved along a direction of the latent: `(n, len(strengths), ...)`.

    >>> strips = manipulate(flow, faces[:4], smile, [-1, -0.5, 0, 0.5, 1])
    """
    z = flow.encode(x, batch_size=batch_size)
    strengths = np.reshape(strengths, (-1, *[1] * (z.ndim - 1)))
    moved = z[:, None] + (strengths * direction)[None]
    flat = moved.reshape(-1, *z.shape[1:]).astype(z.dtype)
    out = flow.decode(flat, batch_size=batch_size)
    return out.reshape(len(x), len(strengths), *out.shape[1:])
