"""The machine of a run, for `metrics.json`, and its memory."""

import os
import platform
import sys
from importlib import metadata

import keras

from keras_flows.backend.native import device_kind_and_peak


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
    kind, peak = device_kind_and_peak()
    return {"device_kind": kind, "device_peak_gib": peak and round(peak / 2**30, 3)}


def peak_memory_gib():
    """Peak memory of this process on the host in GiB."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2 ** (30 if sys.platform == "darwin" else 20)


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
