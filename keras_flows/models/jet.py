"""Jet (2412.15129)."""

import keras
import numpy as np

from keras_flows.core.seeds import numpy_generator
from keras_flows.flow.flow import Flow
from keras_flows.layers import (
    ClassVector,
    Coupling,
    Patchify,
    Permute,
    Rescale,
    Reshape,
    UnPatchify,
)
from keras_flows.models.pictures import check_noise, flat, pixels
from keras_flows.models.sizes import check_image_shape, check_sizes
from keras_flows.networks import VisionTransformer

# Patterns that split the patches into halves, with the block that must divide the grid.
PATTERNS = {"checkerboard": (2, 2), "columns": (1, 2), "rows": (2, 1)}


def Jet(
    image_shape,
    *,
    steps=32,
    patch=4,
    spatial=("checkerboard", "columns", "rows"),
    every=5,
    hidden=512,
    blocks=2,
    heads=None,
    expansion=4,
    levels_per_channel=256,
    noise="uniform",
    classes=None,
    seed=None,
    name="jet",
):
    """Couplings with vision transformers over patches: Jet (2412.15129).

    Most couplings split the channels of each patch at random and transform one
    half given the other half of all patches. Every fifth coupling splits the
    patches instead and transforms half of them given the others. All are
    affine, scale by up to 2 and start as the identity. There is one scale, no
    actnorm and no 1x1 convolution.

    Args:
        image_shape: (height, width, channels).
        steps: number of couplings.
        patch: side of a patch, or (height, width); must divide those of the picture.
        spatial: how couplings split the patches: "checkerboard" by colour,
            "columns" and "rows" by parity. Each pattern is used for two
            couplings, one for either half, before the next one. An empty tuple
            for no such couplings.
        every: one coupling in `every` splits the patches.
        hidden, blocks, heads, expansion: width, attention blocks, heads and
            expansion of each coupling's `VisionTransformer`.
        levels_per_channel: values of a pixel: 256, or 32 for 5 bits.
        noise: of dequantization: "uniform", or "variational", which is learned.
        classes: number of classes of a class-conditional flow,
            `flow.fit(x, labels)`: all networks then see the class.
        seed: integer that fixes permutations and noise.

    Shapes: `(batch, *image_shape)` to `(batch, dims)`. Log-likelihoods in
    nats. Raises ValueError for patches that do not divide the sides, grids of
    patches that cannot be halved, and unknown options.

    >>> flow = Jet((32, 32, 3), steps=16, hidden=256)
    >>> flow.compile(keras.optimizers.AdamW(3e-4)); flow.fit(images); flow.sample(16)
    """
    check_image_shape("Jet", image_shape)
    optional = {"heads": heads, "classes": classes}
    check_sizes("Jet", optional, steps=steps, every=every, hidden=hidden, blocks=blocks)
    _check_spatial(spatial)
    x, h = pixels(image_shape, levels_per_channel, check_noise(noise), seed)
    cut = Patchify(patch)
    h = cut(Rescale(2.0, -1.0)(h))
    grid = tuple(side // p for side, p in zip(image_shape, cut.patch))
    _check_grid(grid, spatial)
    label = keras.Input((), dtype="int32", name="label") if classes else None
    context = [ClassVector(classes)(label)] if classes else []
    sizes = {"channels": hidden, "layers": blocks, "heads": heads, "expansion": expansion}
    rng = numpy_generator(seed)
    for i in range(steps):
        cycle, position = divmod(i, every)
        if spatial and position == every - 1:
            pattern, flip = spatial[cycle // 2 % len(spatial)], cycle % 2 == 1
            pairing = neighbours(pattern, (*grid, h.shape[-1]))
        else:
            pairing, flip = [Permute(idxs=rng.permutation(h.shape[-1]))], False
        for layer in pairing:
            h = layer(h)
        net = VisionTransformer(h.shape[-1] // 2 * 2, **sizes)
        couple = Coupling(net, "affine", "halves", flip, "double_sigmoid", name=f"coupling_{i + 1}")
        h = couple([h, *context] if context else h)
        for layer in reversed(pairing):
            h = back(layer)(h)
    inputs = [x, label] if classes else x
    return Flow(keras.Model(inputs, flat([h]), name="encoder"), name=name)


def neighbours(pattern, shape):
    """Layers that pair each patch with a neighbour of the other half.

    `(h w, d)` to `(h w / 2, 2d)`.
    """
    h, w, d = shape
    steps = [Reshape(shape, (h * w, d))]
    if pattern == "checkerboard":  # swap pairs of patches in every other row, then split columns
        numbers = np.arange(4 * d).reshape(4, d)
        swap = Permute(idxs=numbers[[0, 1, 3, 2]].ravel())
        steps += [Patchify((2, 2)), swap, UnPatchify(shape, (2, 2))]
    return [*steps, Patchify((2, 1) if pattern == "rows" else (1, 2))]


def back(layer):
    """The inverse of a layer, as a layer that does not hold it.

    `keras.models.clone_model` does not keep shared layers.
    """
    if isinstance(layer, Permute):
        return Permute(idxs=np.argsort(layer.idxs))
    return layer.inverse()


def _check_spatial(spatial):
    if isinstance(spatial, str) or not set(spatial) <= set(PATTERNS):
        raise ValueError(
            f"spatial is a tuple with some of {tuple(PATTERNS)}. Received: spatial={spatial!r}."
        )


def _check_grid(grid, spatial):
    for pattern in spatial:
        block = PATTERNS[pattern]
        if any(side % size for side, size in zip(grid, block)):
            raise ValueError(
                f"Splitting patches by {pattern} needs a grid of patches divisible by {block}. "
                f"Received: a grid of {grid} patches."
            )
