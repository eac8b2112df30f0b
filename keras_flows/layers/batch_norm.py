"""Batch normalisation as a flow layer."""

import math

from keras import ops

from keras_flows.core.flow_layer import register
from keras_flows.core.ledger import record
from keras_flows.core.shapes import positions
from keras_flows.layers.data_init import DataInit


@register
class BatchNormFlow(DataInit):
    """Batch normalisation: z = exp(k) (x - mean) / sqrt(var + epsilon) + b.

    log|det dz/dx| = positions * sum(k - 1/2 log(var + epsilon)), a scalar in
    nats. In training, mean and variance are those of the batch, and gradients
    go through them. The density, samples and the inverse use running averages,
    which `adapt` initialises from the first batch. A batch of one vector has
    no variance: it is normalised by the running averages and does not change
    them.

    Args:
        momentum: momentum of the running averages.
        affine: whether there are trained k and b, as in MAF; RealNVP has none.
        data_init: whether `adapt` sets the running averages.
        epsilon: number added to the variance.

    Shapes: `(..., channels)` to the same. Papers: RealNVP (1605.08803)
    section 3.7 and appendix E, MAF (1705.07057) section 3.1 and appendix B.

    >>> z = BatchNormFlow()(x, training=True)
    """

    updates_in_call = True

    def __init__(self, momentum=0.99, affine=True, data_init=True, epsilon=1e-4, **kwargs):
        super().__init__(data_init, epsilon, **kwargs)
        if not 0 <= momentum < 1 or epsilon <= 0:
            raise ValueError(
                "BatchNormFlow needs momentum in [0, 1) and epsilon above 0. "
                f"Received: momentum={momentum}, epsilon={epsilon}."
            )
        self.momentum, self.affine = float(momentum), bool(affine)

    def build(self, input_shape):
        super().build(input_shape)

        def weight(name, initializer="zeros", trainable=False):
            return self.add_weight(
                name=name,
                shape=(self.size,),
                initializer=initializer,
                trainable=trainable,
                aggregation="none" if trainable else "mean",  # averages assigned by several devices
            )

        self.mean, self.variance = weight("mean"), weight("variance", "ones")
        if self.affine:
            self.kernel = weight("kernel", trainable=True)
            self.bias = weight("bias", trainable=True)

    def _set_moments(self, mean, std):
        self.mean.assign(mean)
        self.variance.assign(std * std)

    def call(self, inputs, training=None):
        if not training or not self.trainable:
            return super().call(inputs)
        self._adapt_if_asked(inputs)
        running, moments = (self.mean, self.variance), self._batch_moments(inputs)
        z, log_det = self._normalize(inputs, *moments)
        for average, value in zip(running, moments):
            value = ops.stop_gradient(value)
            average.assign(self.momentum * average + (1 - self.momentum) * value)
        record(self, log_det)
        return z

    def _batch_moments(self, x):
        """Mean and variance of the batch; the running averages for a batch of one vector.

        Computed by `ops.sum`, because `ops.var` turns float64 into float32 on JAX and torch.
        """
        axes, count = tuple(range(len(x.shape) - 1)), math.prod(ops.shape(x)[:-1])
        mean = ops.sum(x, axis=axes) / ops.cast(count, x.dtype)
        variance = ops.sum(ops.square(x - mean), axis=axes) / ops.cast(count, x.dtype)
        several = ops.cast(count, "int32") > 1
        running = [ops.convert_to_tensor(v) for v in (self.mean, self.variance)]
        return [ops.where(several, *pair) for pair in zip((mean, variance), running)]

    def _normalize(self, x, mean, variance):
        variance = variance + self.epsilon
        log_scale = -0.5 * ops.log(variance) + (self.kernel if self.affine else 0.0)
        z = (x - mean) * ops.exp(log_scale)
        return z + self.bias if self.affine else z, positions(x) * ops.sum(log_scale)

    def encode(self, x):
        return self._normalize(x, self.mean, self.variance)

    def decode(self, z):
        log_scale = 0.5 * ops.log(self.variance + self.epsilon)
        if self.affine:
            z, log_scale = z - self.bias, log_scale - self.kernel
        return z * ops.exp(log_scale) + self.mean, positions(z) * ops.sum(log_scale)

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum, "affine": self.affine}
