"""Who speaks, and when: what every message of a device carries."""

from __future__ import annotations

import ctypes
import time
import uuid
from datetime import UTC, datetime
from typing import TypedDict

_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_BYTES = 512  # more than struct timex has on any platform


class StampFields(TypedDict):
    """The fields of ``messages.Stamp`` that change."""

    device: str
    boot_id: str
    wall_time: str
    monotonic_ns: int
    clock_synchronised: bool


def new_boot_id() -> str:
    """Return 12 hexadecimal digits that no other start of a daemon has."""
    return uuid.uuid4().hex[:12]


def stamp(device: str, boot_id: str) -> StampFields:
    """Return the stamp of a message that is made now."""
    return {
        "device": device,
        "boot_id": boot_id,
        "wall_time": rfc3339(time.time_ns()),
        "monotonic_ns": time.monotonic_ns(),
        "clock_synchronised": clock_synchronised(),
    }


def rfc3339(wall_ns: int) -> str:
    """Return a wall-clock time, ns since the Unix epoch, as RFC 3339 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(wall_ns // 1_000_000 / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clock_synchronised() -> bool:
    """Return whether a time service disciplines the clock; False where the kernel cannot say."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return False
    return 0 <= int(state) < _TIME_ERROR
