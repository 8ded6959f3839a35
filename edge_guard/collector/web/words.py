"""How states, verdicts, times and numbers are written for people."""

from __future__ import annotations

from datetime import datetime
from math import isfinite

from edge_guard.publish.messages import Event

SHAPES = {
    "accept": "circle",
    "online": "circle",
    "running": "circle",
    "connected": "circle",
    "review": "triangle",
    "degraded": "triangle",
    "retrying": "triangle",
    "frozen": "triangle",
    "healthy": "circle",
    "kept": "circle",
    "exceeded": "square",
    "drifting": "diamond",
    "silent": "gap",
    "raised": "square",
    "cleared": "circle",
    "unacknowledged": "square",
    "acknowledged": "triangle",
    "returned": "diamond",
    "shelved": "pause",
    "out-of-service": "dash",
    "passed": "circle",
    "done": "circle",
    "certified": "circle",
    "returning": "triangle",
    "back": "diamond",
    "refused": "square",
    "withdrawn": "dash",
    "overtaken": "dash",
    "aborted": "dash",
    "absent": "gap",
    "paused": "pause",
    "invalid": "square",
    "offline": "square",
    "failed": "square",
    "unreachable": "square",
}
"""The shape that goes with a word; what is neither good nor bad is a ring."""


def shape(word: str) -> str:
    """Return the shape of a state or verdict: circle, triangle, square, ring, diamond, gap, and
    for alarms pause, dash."""
    return SHAPES.get(word, "ring")


def moment(ms: int, now: datetime | None = None) -> str:
    """Return a time in the collector's time zone, with the date unless it is today's.

    Parameters
    ----------
    ms : int
        Since the Unix epoch.
    now : datetime, optional
        Default: now.
    """
    then = datetime.fromtimestamp(ms / 1000).astimezone()
    today = (now or datetime.now()).astimezone().date()
    if then.date() == today:
        return f"{then:%H:%M:%S}"
    return f"{then.day} {then:%b %Y, %H:%M:%S}"


def moment_of(wall_time: str | None) -> str:
    """Return a device's RFC 3339 time like ``moment``; as it stands where it is none."""
    if wall_time is None:
        return "–"
    try:
        return moment(int(datetime.fromisoformat(wall_time).timestamp() * 1000))
    except (ValueError, OverflowError, OSError):
        return wall_time


def number(value: float | None) -> str:
    """Return a number as short as it stays meaningful; – for None."""
    if value is None or not isfinite(value):
        return "–"
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    if abs(value) >= 1e6 or 0 < abs(value) < 1e-3:
        return f"{value:.2e}"
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def count(n: int) -> str:
    """Return a count with thin spaces between thousands."""
    return f"{n:,}".replace(",", "\u202f")


def percent(share: float | None) -> str:
    """Return a share of 1 in per cent; – for None."""
    return "–" if share is None else f"{share * 100:.1f} %"


def expected(low: float | None, high: float | None) -> str:
    """Return an expected range in words."""
    if low is not None and high is not None:
        return f"expected {number(low)} to {number(high)}"
    if low is not None:
        return f"expected {number(low)} or more"
    if high is not None:
        return f"expected {number(high)} or less"
    return "no expected range"


def headline(event: Event) -> str:
    """Return why there is an event, in one sentence."""
    if event.reasons:
        return event.reasons[0].message
    if event.captured:
        return "Accepted; somebody asked for this picture."
    if event.sampled is not None:
        return "Accepted; drawn at random for an audit."
    return "No reason given."


def short(identifier: str, length: int = 16) -> str:
    """Return an identifier cut to ``length`` characters, its end replaced by an ellipsis."""
    return identifier if len(identifier) <= length else f"{identifier[: length - 1]}…"
