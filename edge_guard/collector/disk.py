"""Syncing a whole file system, which Python does not offer: ``syncfs`` of Linux."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path

_SINCE = (5, 8)
"""Before this version, Linux did not tell ``syncfs`` of failed writes."""


@cache
def can_sync_all() -> bool:
    """Return whether this system has a ``syncfs`` that tells of failures."""
    name = os.uname()
    digits = name.release.replace("-", ".").split(".")[:2]
    recent = all(part.isdecimal() for part in digits) and tuple(map(int, digits)) >= _SINCE
    return name.sysname == "Linux" and recent and hasattr(ctypes.CDLL(None), "syncfs")


def sync_all(folder: Path) -> None:
    """Return once everything written to the file system of ``folder`` is on the disk.

    Raises
    ------
    OSError
        Something could not be written.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        if _system().syncfs(handle) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(handle)


@cache
def _system() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
