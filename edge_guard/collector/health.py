"""How a device is, in one word: the pages and those who ask in JSON are told the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from edge_guard.collector.queries import AlarmRow, DeviceRow
from edge_guard.publish.messages import State, isa_state

Word = Literal["silent", "offline", "degraded", "drifting", "unknown", "healthy"]
WORDS: tuple[Word, ...] = ("silent", "offline", "degraded", "drifting", "unknown", "healthy")
"""Worst first."""
SILENT_MS = 45_000
"""A device that says it is online but has sent nothing for so long is called silent."""
_QUIET = ("shelved", "out-of-service")
_GOING = ("starting", "running", "ended")


@dataclass(frozen=True, slots=True)
class Health:
    """How a device is.

    Attributes
    ----------
    word : str
        One of `WORDS`.
    why : str
        The first cause in words; empty for healthy devices.
    """

    word: Word
    why: str = ""


def health(row: DeviceRow, alarms: Iterable[AlarmRow], now_ms: int) -> Health:
    """Return how a device is.

    ``drifting`` is said only of a device whose sole trouble is drift: anything else that is wrong
    with it is worse, because then frames are missed or withheld.

    Parameters
    ----------
    row : DeviceRow
    alarms : iterable of AlarmRow
        That stand, of this device; those that are kept quiet do not count.
    now_ms : int
        Since the Unix epoch.
    """
    if row.state is None:
        return Health("unknown", "it has not told its state yet")
    if row.state.state == "offline":
        return Health("offline", "; ".join(row.state.causes) or "it has said goodbye")
    if now_ms - row.last_seen_ms > SILENT_MS:
        return Health("silent", f"not heard for {_span(now_ms - row.last_seen_ms)}")
    return _troubled(row.state, alarms)


def _troubled(state: State, alarms: Iterable[AlarmRow]) -> Health:
    """Return how a device is that is heard."""
    heard = [one.alarm for one in alarms if isa_state(one.alarm) not in _QUIET]
    active = [alarm for alarm in heard if alarm.state == "raised"]
    others = [alarm.message for alarm in active if alarm.alarm != "drift"]
    others += [f"{s.name}: {s.cause or s.state}" for s in state.streams if s.state not in _GOING]
    told = {f"{alarm.stream}: {alarm.message}" for alarm in active}  # as the state words an alarm
    others += [cause for cause in state.causes if cause not in told]
    if others:
        return Health("degraded", others[0])
    if active:
        return Health("drifting", active[0].message)
    if state.state == "degraded":
        return Health("degraded", "it does not say why")
    return Health("healthy")


def _span(ms: int) -> str:
    """Return a span of time in its largest unit."""
    for length, unit in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min")):
        if ms >= length:
            return f"{ms // length} {unit}"
    return f"{ms // 1000} s"
