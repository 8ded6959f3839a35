"""What this machine can do at all: the speed of its memory, one thread reading."""

from __future__ import annotations

import platform
import time
from typing import Any

import numpy as np

from edge_guard import _kernels

READ_BYTES = {"L2": 512 << 10, "L3": 8 << 20, "DRAM": 256 << 20}


def limits() -> dict[str, Any]:
    """Return the record of the machine: SIMD level, processor, GB/s from each kind of memory."""
    return {
        "type": "machine",
        "processor": _processor(),
        "simd_level": _kernels.simd_level(),
        "read_gb_s": {name: read_speed(size) for name, size in READ_BYTES.items()},
    }


def read_speed(size: int) -> float:
    """Return GB/s of the fastest of several readings of ``size`` bytes by NumPy's dot product."""
    values = np.ones(size // 4, np.float32)
    repeats = max(1, (64 << 20) // size)
    best = float("inf")
    for _ in range(12):
        started = time.perf_counter()
        for _ in range(repeats):
            values.dot(values)
        best = min(best, (time.perf_counter() - started) / repeats)
    return size / best / 1e9


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
            names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.machine()
