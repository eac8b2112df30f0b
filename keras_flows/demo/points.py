"""The density of a flow of two dimensions as a picture, with samples as points."""

import numpy as np

from keras_flows.demo.choices import context_of

# From low to high density: dark blue, teal, green, yellow.
COLOURS = np.array([[10, 10, 40], [40, 80, 140], [30, 150, 140], [120, 210, 80], [250, 235, 40]])
MARGIN = 0.15  # around the samples


def density_picture(flow, temperatures=(1.0,), seed=0, label=None, size=200, points=500, shown=600):
    """The density exp(log_prob) on a square around the samples, uint8 `(shown, shown, 3)`.

    Samples at the temperature are white points. The y axis points up.

    >>> picture = density_picture(flow, [0.8], seed=1)
    """
    if flow.data_shape != (2,):
        raise ValueError(f"Densities are drawn in 2 dimensions. Received: {flow.data_shape}.")
    context = context_of(flow, label)
    around = flow.sample(1000, 1.0, 0, context=context)
    low, high = np.percentile(around, [1, 99], axis=0)
    low, high = low - MARGIN * (high - low), high + MARGIN * (high - low)
    axes = [np.linspace(a, b, size, dtype="float32") for a, b in zip(low, high)]
    x, y = np.meshgrid(axes[0], axes[1][::-1])
    log_prob = flow.log_prob(np.stack([x.ravel(), y.ravel()], axis=1), context)
    density = np.exp(log_prob - log_prob.max()).reshape(size, size)
    factor = shown // size
    picture = coloured(np.sqrt(density)).repeat(factor, axis=0).repeat(factor, axis=1)
    temperature = temperatures[0] if len(temperatures) == 1 else list(temperatures)
    samples = flow.sample(points, temperature, int(seed), context=context)
    places = (samples - low) / (high - low) * (size * factor)
    column, row = places[:, 0].astype(int), size * factor - 1 - places[:, 1].astype(int)
    inside = (column >= 1) & (row >= 1) & (column < size * factor) & (row < size * factor)
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        picture[row[inside] - i, column[inside] - j] = 255
    return picture


def coloured(values):
    """Numbers from 0 to 1 as colours, uint8 `(..., 3)`."""
    place = np.clip(values, 0, 1) * (len(COLOURS) - 1)
    below = np.minimum(place.astype(int), len(COLOURS) - 2)
    share = (place - below)[..., None]
    return ((1 - share) * COLOURS[below] + share * COLOURS[below + 1]).astype("uint8")
