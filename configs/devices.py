"""Which CUDA devices the driver has, asked of the driver itself. Knows no torch, so that it costs milliseconds."""

from __future__ import annotations

import ctypes


def cuda_device_count() -> int:
    """Number of CUDA devices that the driver offers; 0 without a driver.

    Calls `cuInit` and `cuDeviceGetCount` of the CUDA driver API. Creates no context on any device.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value
