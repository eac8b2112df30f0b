"""Training on several devices: the loss, and how many devices share a batch."""

import contextlib

import keras


class _Mean(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return y_pred


def batch_mean(values):
    """The mean over the batch, as Keras expects a loss.

    In a TensorFlow strategy it is divided by the number of devices, because their gradients are
    summed, and it is 0 on a device without samples.
    """
    dtype = keras.backend.standardize_dtype(values.dtype)
    return _Mean(name="batch_mean", dtype=dtype)(values, values)


def on_accelerator():
    """Whether Keras sees anything but CPUs."""
    return any(not name.startswith("cpu") for name in keras.distribution.list_devices())


def sharing(model):
    """The number of devices of this process that share each batch of the model."""
    distribution = keras.distribution.distribution()
    if distribution is not None:
        mesh = distribution.device_mesh
        devices = mesh.shape[mesh.axis_names.index(distribution.batch_dim_name)]
        return max(1, devices // getattr(distribution, "num_processes", 1))
    strategy = getattr(model, "distribute_strategy", None)  # on TensorFlow
    return strategy.num_replicas_in_sync if strategy else 1


def build_optimizer(model):
    """Makes the optimizer's variables before the first step.

    Otherwise TensorFlow would make them while it traces the step: slowly, and tracing twice.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not optimizer.built:
        strategy = getattr(model, "distribute_strategy", None)
        with strategy.scope() if strategy else contextlib.nullcontext():
            optimizer.build(model.trainable_variables)
