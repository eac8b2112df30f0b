"""Moving pixels into channels and back."""

from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register


class _SpaceChannels(FlowLayer):
    """Base of the layers that move blocks of `factor` x `factor` pixels."""

    def __init__(self, factor=2, **kwargs):
        super().__init__(**kwargs)
        if int(factor) != factor or factor < 2:
            raise ValueError(f"factor is a whole number of 2 or more. Received: factor={factor}.")
        self.factor = int(factor)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}

    def _check(self, shape, **divisors):
        sizes = dict(zip(("batch", "height", "width", "channels"), shape))
        undivided = [n for n, by in divisors.items() if sizes.get(n) and sizes[n] % by]
        if len(shape) != 4 or undivided:
            needs = ", ".join(f"{n} divisible by {by}" for n, by in divisors.items())
            raise ValueError(
                f"{type(self).__name__}(factor={self.factor}) needs (batch, height, width, "
                f"channels) with {needs}. Received: shape={tuple(shape)}."
            )


@register
class Squeeze(_SpaceChannels):
    """Moves blocks of factor x factor pixels into channels, log-det 0.

    Channels come out in the order (factor_h, factor_w, channel). Shapes:
    `(batch, h, w, c)` to `(batch, h/f, w/f, f*f*c)`. Raises ValueError if the
    sides are not divisible by the factor. Paper: RealNVP (1605.08803) section 3.6.

    >>> z = Squeeze(2)(images)
    """

    volume_preserving = True

    def build(self, input_shape):
        self._check(input_shape, height=self.factor, width=self.factor)

    def encode(self, x):
        self._check(x.shape, height=self.factor, width=self.factor)
        f, (_, h, w, c) = self.factor, ops.shape(x)
        x = ops.transpose(ops.reshape(x, (-1, h // f, f, w // f, f, c)), (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (-1, h // f, w // f, f * f * c)), None

    def decode(self, z):
        self._check(z.shape, channels=self.factor**2)
        f, (_, h, w, c) = self.factor, ops.shape(z)
        c = c // (f * f)
        z = ops.transpose(ops.reshape(z, (-1, h, w, f, f, c)), (0, 1, 3, 2, 4, 5))
        return ops.reshape(z, (-1, h * f, w * f, c)), None

    def compute_output_shape(self, input_shape):
        f, (b, h, w, c) = self.factor, input_shape
        return (b, h and h // f, w and w // f, c * f * f)

    def _make_inverse(self):
        return UnSqueeze(self.factor, dtype=self.dtype_policy.name)


@register
class UnSqueeze(_SpaceChannels):
    """Moves channels back into blocks of pixels: the inverse of `Squeeze`, log-det 0.

    Shapes: `(batch, h, w, c)` to `(batch, h*f, w*f, c/(f*f))`. Raises
    ValueError if the channels are not divisible by f*f.

    >>> images = UnSqueeze(2)(z)
    """

    volume_preserving = True

    encode = Squeeze.decode
    decode = Squeeze.encode

    def build(self, input_shape):
        self._check(input_shape, channels=self.factor**2)

    def compute_output_shape(self, input_shape):
        f, (b, h, w, c) = self.factor, input_shape
        return (b, h and h * f, w and w * f, c // (f * f))

    def _make_inverse(self):
        return Squeeze(self.factor, dtype=self.dtype_policy.name)
