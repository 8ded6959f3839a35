"""The machine itself: its clock, and whether heat slows it down."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from edge_guard.doctor.findings import Area, Finding, fine, problem, warning
from edge_guard.doctor.kernel import SYSFS, number
from edge_guard.doctor.throttling import check_throttling
from edge_guard.manifest import Manifest
from edge_guard.publish.stamp import clock_synchronised

_NEAR_C = 5.0
_HOT_C = 85.0
"""Where the kernel names no limit: most boards throttle here."""
_EARLIEST_S = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""No clock that was ever set says an earlier time."""
_FUTURE_S = 30 * 365.25 * 86_400


def check_clock(
    manifests: Sequence[Manifest], now_s: float | None = None, *, synchronised: bool | None = None
) -> Iterator[Finding]:
    """Yield what is found of the clock.

    Parameters
    ----------
    manifests : sequence of Manifest
        The clock cannot be earlier than they were made.
    now_s : float, optional
        Wall time, s since the Unix epoch; default the clock's.
    synchronised : bool, optional
        Default: what the kernel says.
    """
    now = time.time() if now_s is None else now_s
    shown = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    made = max((_seconds(m.provenance.created) for m in manifests), default=_EARLIEST_S)
    if not made <= now <= made + _FUTURE_S:
        yield problem(
            Area.CLOCK,
            f"the clock says {shown}, which cannot be: a bundle was made later, or decades before",
            "set it: timedatectl set-time, or a time server; certificates depend on it",
        )
        return
    if clock_synchronised() if synchronised is None else synchronised:
        yield fine(Area.CLOCK, f"the clock says {shown} and is synchronised")
        return
    yield warning(
        Area.CLOCK,
        f"the clock says {shown}, and nothing keeps it right",
        "timedatectl set-ntp true, with the plant's time server in /etc/systemd/timesyncd.conf",
    )


def _seconds(created: str) -> float:
    try:
        return datetime.fromisoformat(created).timestamp()
    except ValueError:
        return _EARLIEST_S


def check_temperature(sysfs: Path = SYSFS) -> Iterator[Finding]:
    """Yield how hot the machine is against its limits, and whether it was slowed down.

    Parameters
    ----------
    sysfs : Path
        Where the kernel tells about its devices.
    """
    zones = sorted((sysfs / "class" / "thermal").glob("thermal_zone*"))
    readings = [(zone, value) for zone in zones if (value := number(zone / "temp")) is not None]
    if not readings:
        yield fine(Area.TEMPERATURE, "this machine does not tell its temperature")
    for zone, value in readings:
        yield _zone(zone, value / 1000.0)
    yield from check_throttling(sysfs)


def _zone(zone: Path, degrees: float) -> Finding:
    kind = zone / "type"
    name = kind.read_text().strip() if kind.is_file() else zone.name
    limit = _limit(zone)
    words = f"{name} is at {degrees:.0f} °C, it slows down at {limit:.0f} °C"
    if degrees >= limit:
        return problem(Area.TEMPERATURE, words, "cool it: fan, heat sink, air in the cabinet")
    if degrees >= limit - _NEAR_C:
        return warning(Area.TEMPERATURE, words, "cool it before summer does the rest")
    return fine(Area.TEMPERATURE, words)


def _limit(zone: Path) -> float:
    """Return the lowest temperature at which the kernel slows the machine down, °C."""
    limits = []
    for kind in zone.glob("trip_point_*_type"):
        if kind.read_text().strip() in ("passive", "hot", "critical"):
            value = number(zone / kind.name.replace("_type", "_temp"))
            limits += [value / 1000.0] if value and value > 0 else []
    return min(limits, default=_HOT_C)
