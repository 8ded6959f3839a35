"""The disk under the spool: how long a commit takes, how much room there is, how worn it is."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from edge_guard.config import SpoolTable
from edge_guard.doctor.findings import Area, Finding, fine, problem, warning
from edge_guard.doctor.kernel import SYSFS
from edge_guard.doctor.wear import check_wear

SLOW_MS = 100.0
"""A commit that takes longer holds an inspection thread back."""

_COMMITS = 20
_PAGE = 4096
_SPARE_BYTES = 200_000_000


def check_disk(spool: SpoolTable, sysfs: Path = SYSFS) -> Iterator[Finding]:
    """Yield what is found of the disk that holds, or will hold, the spool.

    Parameters
    ----------
    spool : SpoolTable
        With an absolute path.
    sysfs : Path
        Where the kernel tells about its devices.
    """
    folder = existing(Path(spool.path))
    yield _check_room(spool, folder)
    yield _check_speed(folder)
    yield from check_wear(folder, sysfs)


def existing(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.is_dir())


def _check_room(spool: SpoolTable, folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    used = sum(map(_size, Path(spool.path).rglob("*")))
    needed = max(0, spool.max_bytes - used)
    words = f"{free:,} bytes are free under {folder}, the spool may still grow by {needed:,}"
    if free < needed:
        remedy = f"free some, or set [spool] max_bytes to {max(1_000_000, (free + used) // 2)}"
        return problem(Area.DISK, words, remedy)
    if free < needed + _SPARE_BYTES:
        remedy = "leave some for logs and updates: lower [spool] max_bytes"
        return warning(Area.DISK, words, remedy)
    return fine(Area.DISK, words)


def _size(path: Path) -> int:
    """Return a file's size; 0 for what the daemon has just sent and deleted."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0


def _check_speed(folder: Path) -> Finding:
    """Time what a commit of the spool waits for: a page on the disk, for certain."""
    try:
        took_ms = fsync_ms(folder)
    except OSError as error:
        words = f"nothing can be written under {folder} ({error.strerror})"
        return problem(Area.DISK, words, "check permissions and mount options")
    middle, longest = median(took_ms), max(took_ms)
    words = f"a commit to {folder} takes {middle:.1f} ms, {longest:.0f} ms at most of {_COMMITS}"
    if middle > SLOW_MS:
        remedy = "use another disk or card: flagged frames come no faster than it commits"
        return warning(Area.DISK, words, remedy)
    return fine(Area.DISK, words)


def fsync_ms(folder: Path) -> list[float]:
    """Return how long writing and syncing one page took, each time, ms.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_COMMITS):
            started = time.perf_counter()
            file.write(os.urandom(_PAGE))
            file.flush()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - started) * 1e3)
    return took
