"""Pictures of a flow as functions of what one can move on the page; nothing here knows the page."""

import numpy as np
from keras import ops

from keras_flows.demo.choices import context_of
from keras_flows.flow.sampling import temperature_per_dimension
from keras_flows.plots.grids import grid

SHOWN = 560  # pixels of the shorter side of what is shown, about


def sample_grid(flow, temperatures=(1.0,), seed=0, label=None, guidance=0.0, rows=5, columns=5):
    """A grid of samples, uint8 `(height, width, channels)`.

    Args:
        flow: a `Flow` of pictures.
        temperatures: one, or one for each of the flow's scales.
        seed: the same seed gives the same samples.
        label: class; None or -1 for none.
        guidance: strength of guidance by the class.

    >>> picture = sample_grid(flow, [0.7], seed=3)
    """
    temperature = temperatures[0] if len(temperatures) == 1 else list(temperatures)
    context = context_of(flow, label)
    options = {"guidance": float(guidance)} if guidance and label not in (None, -1) else {}
    samples = flow.sample(rows * columns, temperature, int(seed), context=context, **options)
    return enlarged(grid(samples, rows, columns, None, flow.levels))


def walk(flow, ends, steps=8, label=None):
    """Pictures on the straight line between the latents of two pictures, as one row.

    `ends` are two pictures of data, see `sampled_ends` and `dropped.as_data`.
    """
    a, b = ends
    line = flow.interpolate(a, b, int(steps), context_of(flow, label))
    return enlarged(grid(line, 1, int(steps), None, flow.levels), least=112)


def sampled_ends(flow, seeds, temperatures=(1.0,), label=None):
    """Two samples, the ends of a walk."""
    temperature = temperatures[0] if len(temperatures) == 1 else list(temperatures)
    context = context_of(flow, label)
    return [flow.sample(1, temperature, int(s), context=context)[0] for s in seeds]


def dimension_row(flow, dimension, seed=0, temperatures=(1.0,), reach=3.0, steps=9, label=None):
    """A sample whose latent has one dimension moved from -reach to reach, as one row.

    Raises ValueError for a dimension that the latent does not have.
    """
    shape = flow.prior.latent_shape
    if not 0 <= dimension < np.prod(shape):
        raise ValueError(
            f"A latent has dimensions 0 to {np.prod(shape) - 1}. Received: {dimension}."
        )
    z = _latents(flow, 1, temperatures, seed, label).reshape(1, -1).repeat(steps, axis=0)
    z[:, int(dimension)] = np.linspace(-reach, reach, steps)
    pictures = flow.decode(z.reshape(steps, *shape), context_of(flow, label))
    return enlarged(grid(pictures, 1, steps, None, flow.levels), least=112)


def _latents(flow, n, temperatures, seed, label):
    temperature = temperatures[0] if len(temperatures) == 1 else list(temperatures)
    context = context_of(flow, label)
    contexts = [] if context is None or not flow.prior.conditional else [np.full(n, context)]
    contexts = [ops.convert_to_tensor(part) for part in contexts]
    scale = temperature_per_dimension(flow, temperature)
    return ops.convert_to_numpy(flow.prior.sample(n, scale, int(seed), *contexts)).copy()


def attribute_rows(flow, pictures, direction, strength=1.5, steps=9):
    """Pictures moved along a direction in latent space, a row each; see `plots.manipulation`."""
    from keras_flows.plots.manipulation import manipulate

    strengths = np.linspace(-float(strength), float(strength), steps)
    strips = manipulate(flow, pictures, direction, strengths)
    rows = strips.reshape(-1, *flow.data_shape)
    return enlarged(grid(rows, len(pictures), steps, None, flow.levels), least=112)


def enlarged(picture, least=SHOWN):
    """The picture with each pixel repeated, so that its shorter side has about `least` pixels."""
    factor = max(1, least // min(picture.shape[:2]))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)
