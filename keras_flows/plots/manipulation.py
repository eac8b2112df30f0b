"""Manipulation of attributes along directions in latent space (Glow, 1807.03039, section 5)."""

import numpy as np


def attribute_direction(flow, x, has, *, batch_size=None):
    """The mean latent of data with an attribute minus that of data without it.

    Args:
        flow: an unconditional `Flow`.
        x: array of data.
        has: booleans, one for each sample.

    Returns an array with the shape of a latent. Raises ValueError unless there are samples of both
    kinds. Paper: Glow (1807.03039), section 5.

    >>> smile = attribute_direction(flow, faces, smiling)
    """
    has = np.asarray(has, bool)
    if has.shape != (len(x),) or has.all() or not has.any():
        raise ValueError(
            "The direction of an attribute needs one boolean for each sample, and samples of both "
            "kinds. "
            f"Received: {len(x)} samples, booleans of shape {has.shape}, {has.sum()} of them true."
        )
    z = flow.encode(x, batch_size=batch_size)
    return z[has].mean(0) - z[~has].mean(0)


def manipulate(flow, x, direction, strengths, *, batch_size=None):
    """Data moved along a direction in latent space: `(n, len(strengths), ...)`.

    >>> strips = manipulate(flow, faces[:4], smile, [-1, -0.5, 0, 0.5, 1])
    """
    z = flow.encode(x, batch_size=batch_size)
    strengths = np.reshape(strengths, (-1, *[1] * (z.ndim - 1)))
    moved = z[:, None] + (strengths * direction)[None]
    flat = moved.reshape(-1, *z.shape[1:]).astype(z.dtype)
    out = flow.decode(flat, batch_size=batch_size)
    return out.reshape(len(x), len(strengths), *out.shape[1:])
