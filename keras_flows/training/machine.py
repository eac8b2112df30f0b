"""The machine of a run, for `metrics.json`, and its memory."""

import os
import platform
import sys
from importlib import metadata

import keras


def machine():
    """Backend, device, processor and versions of packages."""
    packages = ("keras-flows", "keras", "numpy", keras.backend.backend())
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed as a package"
    # The device of a tensor is ".../device:CPU:0", "TFRT_CPU_0", "cuda:0".
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
    """The kind of the device and, for a GPU, the peak memory of this process in GiB."""
    of_backend = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}
    kind, peak = of_backend[keras.backend.backend()]()
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
    """Peak memory of this process on the host in GiB."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2 ** (30 if sys.platform == "darwin" else 20)


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
