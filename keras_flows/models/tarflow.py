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
from keras_flows.models.guided_flow import GuidedFlow
from keras_flows.models.pictures import flat, pixels
from keras_flows.models.sizes import check_image_shape, check_sizes


def TarFlow(
    image_shape,
    *,
    steps=4,
    patch=4,
    hidden=128,
    blocks=4,
    heads=None,
    expansion=4,
    log_scale_bound=5.0,
    levels_per_channel=256,
    noise="gaussian",
    noise_std=0.05,
    alpha=None,
    classes=None,
    drop_labels=0.1,
    seed=None,
    name="tarflow",
):
    """Autoregressive flow over patches, by causal transformers: TarFlow (2412.06329) section 2.

    Each step is a `TransformerAutoregressive` layer. The order of the patches
    is reversed from step to step. A density takes one pass; a sample takes, for
    each step, one loop over the patches, with a cache.

    Args:
        image_shape: (height, width, channels).
        steps: number of autoregressive layers; the paper calls them blocks.
        patch: side of a patch, or (height, width); must divide those of the picture.
        hidden, blocks, heads, expansion: width, attention blocks, heads and
            expansion of the transformer of each step.
        log_scale_bound: see `TransformerAutoregressive`.
        levels_per_channel: values of a pixel, for uniform noise.
        noise: "gaussian": the flow takes floats in [0, 1] and is trained with
            noise, which `sample` removes: the paper's choice for samples.
            "uniform": it takes integers and dequantizes them, for bits/dim;
            "variational": with learned noise, a tighter bound.
            None: real numbers, such as the latents of an autoencoder.
        noise_std: standard deviation of Gaussian noise, in pixels from -1 to 1
            as in the paper.
        alpha: for uniform noise: apply `Logit(alpha)` to the pixels instead of
            scaling them to [-1, 1]. Better for pictures with a constant
            background, where outliers then cost less.
        classes: number of classes of a class-conditional flow, `flow.fit(x, labels)`.
            Labels are dropped at random in training, so that `flow.log_prob(x)`
            without labels is a density too.
        drop_labels: share of the labels dropped; guidance needs more than 0.
        seed: integer that fixes the noise and which labels are dropped.

    Shapes: `(batch, height, width, channels)` to `(batch, dims)`.
    Log-likelihoods in nats. Raises ValueError for patches that do not divide
    the sides and for unknown options.

    >>> flow = TarFlow((28, 28, 1), classes=10)
    >>> flow.compile("adamw"); flow.fit(pictures / 255, labels)
    >>> flow.sample(10, labels=np.arange(10), guidance=2.0)
    """
    if noise not in ("gaussian", "uniform", "variational", None):
        raise ValueError(
            "noise is 'gaussian', 'uniform', 'variational' or None. "
            f"Received: noise={noise!r}."
        )
    check_image_shape("TarFlow", image_shape)
    optional = {"heads": heads, "classes": classes}
    check_sizes("TarFlow", optional, steps=steps, hidden=hidden, blocks=blocks)
    integers = noise in ("uniform", "variational")
    if alpha is not None and not integers:
        raise ValueError(f"alpha is for noise='uniform'. Received: alpha={alpha}, noise={noise!r}.")
    x, h = pixels(image_shape, levels_per_channel, noise if integers else None, seed)
    if noise == "gaussian":
        h = GaussianNoise(noise_std / 2, seed=seed)(h)
    if noise is not None:
        h = Rescale(2.0, -1.0)(h) if alpha is None else Rescale(0.2)(Logit(alpha)(h))
    h = Patchify(patch)(h)
    label = keras.Input((), dtype="int32", name="label") if classes else None
    context = [ClassVector(classes, drop_labels, seed)(label)] if classes else []
    sizes = {"heads": heads, "expansion": expansion, "log_scale_bound": log_scale_bound}
    for i in range(steps):
        order = "natural" if i % 2 == 0 else "reversed"
        layer = TransformerAutoregressive(
            hidden, blocks, order=order, name=f"block_{i + 1}", **sizes
        )
        h = layer([h, *context] if context else h)
    inputs = [x, label] if classes else x
    return GuidedFlow(keras.Model(inputs, flat([h]), name="encoder"), name=name)
