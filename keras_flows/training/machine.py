"""The machine that a run had: for `metrics.json`, and what Keras' backend says of its device."""

import os
import platform
import sys
from importlib import metadata

import keras


def machine():
    """Versions and the class of machine, for `metrics.json`."""
    packages = ("keras-flows", "keras", "numpy", keras.backend.backend())
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed as a package"
    # Every backend's tensors have a device: ".../device:CPU:0", "TFRT_CPU_0", "cuda:0".
    place = str(keras.ops.zeros(()).device).rsplit("device:")[-1].lower()
    return {
        "backend": keras.backend.backend(),
        "device": place,
        **device(),
        "python": platform.python_version(),
        "processor": platform.machine(),
        "cores": _cores(),
        "versions": versions,
    }


def device():
    """The device's kind and, of a GPU, the most memory of it that this process has had, in GiB."""
    ask = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}
    kind, peak = ask[keras.backend.backend()]()
    return {"device_kind": kind, "device_peak_gib": peak and round(peak / 2**30, 3)}


def _jax():
    import jax

    first = jax.devices()[0]
    return first.device_kind, (first.memory_stats() or {}).get("peak_bytes_in_use")


def _tensorflow():
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "cpu", None
    kind = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "gpu")
    return kind, tf.config.experimental.get_memory_info("GPU:0")["peak"]


def _torch():
    import torch

    if not torch.cuda.is_available():
        return "cpu", None
    return torch.cuda.get_device_name(), torch.cuda.max_memory_allocated()


def peak_memory_gib():
    """The most of the host's memory that this process has had, on systems that tell it."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2 ** (30 if sys.platform == "darwin" else 20)


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
