"""Directions of attributes in latent space, for pictures whose attributes are known."""

import numpy as np


class Attributes:
    """Latents of pictures and the signs of their attributes; a direction for each attribute.

    Args:
        flow: an unconditional `Flow`.
        x: data of pictures.
        names: of the attributes.
        signs: `(pictures, attributes)`, above 0 where a picture has the attribute.

    >>> smile = attributes.direction("Smiling")
    """

    def __init__(self, flow, x, names, signs):
        self.x, self.signs = x, np.asarray(signs) > 0
        self.latents = flow.encode(x)
        both = self.signs.any(axis=0) & ~self.signs.all(axis=0)
        self.names = [name for name, usable in zip(names, both) if usable]
        self._columns = {name: i for i, name in enumerate(names)}
        if not self.names:
            raise ValueError(
                "An attribute's direction needs pictures with and without it. "
                f"Received: {len(x)} pictures, attributes {list(names)}."
            )

    def direction(self, name):
        """The mean latent with the attribute minus that without it."""
        has = self.signs[:, self._columns[name]]
        return self.latents[has].mean(axis=0) - self.latents[~has].mean(axis=0)
