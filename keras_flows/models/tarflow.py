"""TarFlow: transformer autoregressive flow (Zhai et al., 2412.06329)."""

import keras

from keras_flows.layers import (
    ClassVector,
    GaussianNoise,
    Logit,
    Patchify,
    Rescale,
    TransformerAutoregressive,
)
from keras_flows.models.guided import GuidedFlow
from keras_flows.models.multiscale import flat, pixels


def TarFlow(
    image_shape=(28, 28, 1),
    patch=4,
    channels=128,
    blocks=4,
    layers_per_block=4,
    *,
    heads=None,
    expansion=4,
    classes=None,
    drop_labels=0.1,
    noise="gaussian",
    noise_std=0.05,
    alpha=None,
    levels_per_channel=256,
    log_scale_bound=5.0,
    seed=None,
    name="tarflow",
):
    """Autoregressive flow over patches, by causal transformers: TarFlow (2412.06329) section 2.

    Each of `blocks` is a `TransformerAutoregressive` layer; the order of the
    patches turns round from block to block. A density takes one pass, a sample
    one loop over the patches a block, with a cache.

    Args:
        image_shape: (height, width, channels).
        patch: side of a patch, or (height, width); divides the picture's.
        channels, layers_per_block, heads, expansion, log_scale_bound: of the
            transformers, see `TransformerAutoregressive`.
        classes: if given, a density for each: fit(x, labels), and, as
            labels are dropped in training, one of all: log_prob(x).
        drop_labels: share of the labels dropped; guidance needs some.
        noise: "gaussian": the flow takes floats in [0, 1] and is trained with
            noise, which `sample` takes off again: the paper's way to samples.
            "uniform": it takes integers and dequantizes them: bits/dim.
        noise_std: of Gaussian noise, in pixels from -1 to 1 as in the paper.
        alpha: if given, integers go through `Logit(alpha)` instead of to [-1, 1]: for
            pictures of sharp background, whose surprises then cost less.
        levels_per_channel: of integers.
        seed: integer that fixes the noise and which labels are dropped.

    Shapes: `(batch, height, width, channels)` to `(batch, dims)`.
    Log-likelihoods in nats. Raises ValueError for sides that a patch does not
    divide and for unknown options.

    >>> flow = TarFlow((28, 28, 1), classes=10)
    >>> flow.compile("adamw"); flow.fit(pictures / 255, labels)
    >>> flow.sample(10, labels=np.arange(10), guidance=2.0)
    """
    if noise not in ("gaussian", "uniform"):
        raise ValueError(f"noise is 'gaussian' or 'uniform'. Received: noise={noise!r}.")
    if blocks < 1 or classes is not None and classes < 1:
        raise ValueError(
            "TarFlow needs blocks and classes of 1 or more. "
            f"Received: blocks={blocks}, classes={classes}."
        )
    if alpha is not None and noise == "gaussian":
        raise ValueError(f"alpha is for noise='uniform'. Received: alpha={alpha}, noise={noise!r}.")
    if noise == "uniform":
        x, h = pixels(image_shape, levels_per_channel, "uniform", seed)
    else:
        x = keras.Input(image_shape, name="x")
        h = GaussianNoise(noise_std / 2, seed=seed)(x)
    h = Rescale(2.0, -1.0)(h) if alpha is None else Rescale(0.2)(Logit(alpha)(h))
    h = Patchify(patch)(h)
    label = keras.Input((), dtype="int32", name="label") if classes else None
    context = [ClassVector(classes, drop_labels, seed)(label)] if classes else []
    sizes = {"heads": heads, "expansion": expansion, "log_scale_bound": log_scale_bound}
    for i in range(blocks):
        order = "natural" if i % 2 == 0 else "reversed"
        layer = TransformerAutoregressive(
            channels, layers_per_block, order=order, name=f"block_{i + 1}", **sizes
        )
        h = layer([h, *context] if context else h)
    inputs = [x, label] if classes else x
    return GuidedFlow(keras.Model(inputs, flat([h]), name="encoder"), name=name)
