"""The flow of f-VAEs: Glow on latents (1809.05861)."""

from keras_flows.models.glow import Glow


def latent_glow(shape, *, steps, hidden, seed=None, name="glow"):
    """A Glow of real numbers of `shape`, without its first squeeze, of up to 4 scales.

    The latents of an autoencoder have few positions and many channels. There are as many scales as
    the sides can be halved, and one.

    >>> prior = latent_glow((8, 8, 192), steps=6, hidden=192)
    """
    halvings = min((side & -side).bit_length() - 1 for side in shape[:2])
    return Glow(
        shape,
        levels=min(4, 1 + halvings),
        steps=steps,
        hidden=hidden,
        noise=None,
        squeeze_first=False,
        seed=seed,
        name=name,
    )
