"""`IResNet`: a classifier whose features invert, the invertible ResNet (1811.00995)."""

import math

import keras
from keras import ops

from keras_flows.backend.state import KeepsState
from keras_flows.core.flow_layer import register
from keras_flows.core.inversion import invert
from keras_flows.core.ledger import Ledger
from keras_flows.core.reports import Reports
from keras_flows.core.scope import scope
from keras_flows.flow.adaptation import adapt, needs_adapt
from keras_flows.flow.batch_size import default_batch_size
from keras_flows.flow.batched_data import first_batch
from keras_flows.flow.fitting import PortableCompile
from keras_flows.flow.prediction import predict
from keras_flows.flow.reports import Checked, refresh, warn_unless_converged
from keras_flows.layers import Actnorm, Rescale, Residual, Squeeze
from keras_flows.models.pictures import check_sides
from keras_flows.models.sizes import check_sizes, is_size, widths
from keras_flows.networks import LipschitzConvNet
from keras_flows.networks.lipschitz_nets import ACTIVATIONS
from keras_flows.presets import Preset

PIXELS = 255.0


@register
class IResNet(KeepsState, PortableCompile, Preset, keras.Model):
    """Invertible residual network: a classifier of pictures whose features give them back.

    Pixels 0..255 are scaled to [-0.5, 0.5], and `padding` channels of zeros are appended. Each
    level is a `Squeeze` of 2x2 pixels into channels, in place of strides, and `steps` blocks
    x + g(x), each with an `Actnorm` before it. A linear layer on the features gives the logits.
    Nothing is lost, so that `invert` finds the picture of its features, by an iteration for each
    block.

    Args:
        image_shape: (height, width, channels), sides divisible by 2**levels.
        levels: resolutions.
        steps: residual blocks of each level.
        hidden: channels of the two hidden layers of each block, or a tuple; kernels are 3, 1, 3.
        lipschitz: bound on the Lipschitz constant of each block's network, between 0 and 1. None
            for ordinary residual blocks of the same size, which need have no inverse.
        activation: see `LipschitzMLP`.
        padding: channels of zeros, which the blocks fill: injective padding.
        classes: number of classes.
        seed: see `Residual`; only densities, which a classifier does not need, depend on it.

    Shapes: `(batch, height, width, channels)` to logits `(batch, classes)`. `compile()` takes
    cross-entropy and accuracy where it is given no loss and no metrics. Raises ValueError for sizes
    that do not fit. Paper: i-ResNet (1811.00995) section 2.

    >>> model = IResNet((28, 28, 1)); model.compile("adam"); model.fit(digits, labels)
    >>> back = model.invert(model.features(digits))  # warns where an iteration fails
    """

    def __init__(
        self,
        image_shape,
        *,
        levels=2,
        steps=3,
        hidden=32,
        lipschitz=0.9,
        activation="elu",
        padding=0,
        classes=10,
        seed=None,
        **kwargs,
    ):
        # What is inverted must not be rounded, also under a mixed policy.
        kwargs.setdefault("dtype", keras.config.dtype_policy().variable_dtype)
        super().__init__(**kwargs)
        check_sides("IResNet", image_shape, levels, squeezes=levels)
        check_sizes("IResNet", steps=steps, classes=classes)
        hidden = widths("IResNet", hidden, layers=2)
        if not hidden or not is_size(padding, least=0) or activation not in ACTIVATIONS:
            raise ValueError(
                "IResNet needs one hidden layer or more, padding of 0 or more, and an activation "
                f"of {tuple(ACTIVATIONS)}. "
                f"Received: hidden={hidden}, padding={padding!r}, activation={activation!r}."
            )
        self.options = {
            **{"image_shape": tuple(image_shape), "levels": levels, "steps": steps},
            **{"hidden": hidden, "lipschitz": lipschitz, "activation": activation},
            **{"padding": padding, "classes": classes, "seed": seed},
        }
        self.backprop = None
        self.encoder = _encoder(**self.options)
        self.head = keras.Sequential(
            [
                keras.Input(self.encoder.output_shape[1:]),
                ACTIVATIONS[activation](self.dtype_policy),
                keras.layers.Flatten(dtype=self.dtype_policy),
                keras.layers.Dense(classes, dtype=self.dtype_policy),
            ],
            name="head",
        )
        self.built = True

    @property
    def backprop(self):
        """None, or "remat": training keeps only the input of each block, as in `Flow`."""
        return self._backprop

    @backprop.setter
    def backprop(self, mode):
        if mode not in (None, "remat"):
            raise ValueError(f"backprop is None or 'remat'. Received: backprop={mode!r}.")
        self._backprop = mode

    def call(self, pixels, training=None):
        return self.head(self.encoded(pixels, training))

    def encoded(self, pixels, training=None):
        """The features of pictures, as a tensor."""
        backprop = self.backprop if training else None
        with Ledger(density=False), Reports(log_det=False), scope(backprop=backprop):
            return self.encoder(self._padded(pixels), training=training)

    def _padded(self, pixels):
        x = ops.cast(pixels, self.variable_dtype)
        count = self.options["padding"]
        grey = ops.full((*ops.shape(x)[:-1], count), PIXELS / 2, x.dtype)
        return ops.concatenate([x, grey], axis=-1) if count else x

    def compile(self, optimizer="adam", loss=None, *, metrics=None, **kwargs):
        """As `keras.Model.compile`; cross-entropy of integer labels and accuracy by default."""
        if loss is None:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            metrics = ["accuracy"] if metrics is None else metrics
        super().compile(optimizer, loss=loss, metrics=metrics, **kwargs)

    def fit(self, x=None, y=None, batch_size=None, **kwargs):
        """As `keras.Model.fit`. The first batch initialises the `Actnorm` layers."""
        if self.needs_adapt:
            batch, x = first_batch(x, batch_size)
            self.adapt(batch)
        refresh(self)
        return super().fit(x, y, batch_size=batch_size, **kwargs)

    @property
    def needs_adapt(self):
        """Whether `Actnorm` layers still need their first batch."""
        return needs_adapt(self.encoder)

    def adapt(self, pixels):
        """Data-dependent initialisation from one batch of pictures, once only."""
        with Reports(log_det=False):
            adapt(self.encoder, self._padded(pixels))

    def evaluate(self, x=None, y=None, **kwargs):
        """As `keras.Model.evaluate`."""
        refresh(self)
        return super().evaluate(x, y, **kwargs)

    def predict(self, x, batch_size=None, **kwargs):
        """As `keras.Model.predict`: logits."""
        return predict(self, x, batch_size, **kwargs)

    def features(self, pixels, *, batch_size=None):
        """The features of pictures, as an array `(n, height, width, channels)`."""
        return self._run(0, pixels, self.options["image_shape"], batch_size)

    def invert(self, features, *, batch_size=None, with_errors=False):
        """The pictures of features, as an array of floats, about 0..255, that are not rounded.

        `NotConverged` warns of samples for which an iteration has not converged. With
        `with_errors` the result is instead (pictures, errors, converged): for each sample the
        largest estimated error of a block's input, and whether all iterations converged.
        """
        shape = tuple(self.encoder.output_shape[1:])
        x, error, converged = self._run(1, features, shape, batch_size)
        x = x[..., : self.options["image_shape"][-1]]
        return (x, error, converged) if with_errors else warn_unless_converged(x, error, converged)

    def _run(self, which, x, shape, batch_size):
        x = ops.convert_to_numpy(x)
        if x.shape[1:] != shape or not len(x):
            raise ValueError(
                f"This model takes arrays of shape {('n', *shape)} here. Received: shape {x.shape}."
            )
        size = batch_size or default_batch_size(x, math.prod(shape), even=True)
        return predict(self._models()[which], x, size, flow=self, verbose=0)

    def _models(self):
        """The models from pictures to features and back, which share the weights."""
        if "_built_models" not in vars(self):
            decoder = invert(self.encoder, name="decoder")
            models = FeatureModel(self, name="features"), Checked(decoder, name="checked_decoder")
            # In a closure, so that Keras does not save the weights again.
            object.__setattr__(self, "_built_models", lambda: models)
        return self._built_models()

    def save(self, *args, **kwargs):
        """As `keras.Model.save`."""
        refresh(self)
        super().save(*args, **kwargs)

    def get_config(self):
        dtype = keras.saving.serialize_keras_object(self.dtype_policy)
        return {"name": self.name, "dtype": dtype, "backprop": self.backprop, **self.options}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        backprop = config.pop("backprop", None)
        model = super().from_config(config, custom_objects)
        model.backprop = backprop
        return model


class FeatureModel(keras.Model):
    """The features of an `IResNet` as a model, without log-determinants."""

    def __init__(self, classifier, **kwargs):
        super().__init__(**kwargs)
        self.classifier = classifier
        self.built = True

    def call(self, pixels):
        return self.classifier.encoded(pixels)


def _encoder(image_shape, levels, steps, hidden, lipschitz, activation, padding, seed, **_):
    """The invertible part, from padded pixels to features."""
    *sides, channels = image_shape
    x = keras.Input((*sides, channels + padding), name="pixels")
    h = Rescale(1 / PIXELS, -0.5)(x)
    for level in range(levels):
        h = Squeeze()(h)
        for step in range(steps):
            net = _net(h.shape[-1], hidden, lipschitz, activation, first=level + step == 0)
            h = Residual(net, seed=seed)(Actnorm()(h))
    return keras.Model(x, h, name="encoder")


def _net(channels, hidden, lipschitz, activation, first):
    """The network of a block; without a bound, plain convolutions of the same sizes."""
    kernels = (3, *[1] * (len(hidden) - 1), 3)
    if lipschitz is not None:
        options = {"activation": activation, "first_activation": not first}
        return LipschitzConvNet(hidden, kernels, lipschitz, **options)
    layers, dtype = [], keras.config.dtype_policy().variable_dtype
    for i, (filters, size) in enumerate(zip((*hidden, channels), kernels)):
        if i or not first:
            layers.append(ACTIVATIONS[activation](dtype))
        layers.append(keras.layers.Conv2D(filters, size, padding="same", dtype=dtype))
    return keras.Sequential(layers)
