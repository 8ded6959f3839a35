"""The plant in order: its devices by site and line, the worst first; pure functions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from edge_guard.collector.health import WORDS, Health, Word, health
from edge_guard.collector.queries import AlarmRow, DeviceRow


@dataclass(frozen=True, slots=True)
class Standing:
    """One device, and how it is."""

    row: DeviceRow
    health: Health


@dataclass(frozen=True, slots=True)
class Line:
    """The devices of one line that are to be shown, the worst first."""

    site: str
    line: str
    devices: tuple[Standing, ...]

    @property
    def counts(self) -> dict[Word, int]:
        """Return how many there are of each word that occurs, the worst first."""
        return counts(self.devices)


def standings(
    devices: Iterable[DeviceRow], alarms: Iterable[AlarmRow], now_ms: int
) -> list[Standing]:
    """Return how each device is, in the order of the devices."""
    by_device: defaultdict[int, list[AlarmRow]] = defaultdict(list)
    for alarm in alarms:
        by_device[alarm.device_id].append(alarm)
    return [Standing(row, health(row, by_device.get(row.id, ()), now_ms)) for row in devices]


def counts(devices: Iterable[Standing]) -> dict[Word, int]:
    """Return how many devices there are of each word that occurs, the worst first."""
    found = Counter(one.health.word for one in devices)
    return {word: found[word] for word in WORDS if found[word]}


def chosen(devices: Iterable[Standing], text: str = "", word: str = "") -> list[Standing]:
    """Return the devices that are ``word`` and hold each part of ``text`` in one of their names.

    Parameters
    ----------
    devices : iterable of Standing
    text : str
        Parts between spaces; letters' case does not count. Empty: all.
    word : str
        Empty: all.
    """
    parts = text.casefold().split()
    return [
        one
        for one in devices
        if word in ("", one.health.word) and all(part in _names(one.row) for part in parts)
    ]


def lines(devices: Iterable[Standing]) -> list[Line]:
    """Return the lines: those with the worst devices first, then those with most of them."""
    groups: defaultdict[tuple[str, str], list[Standing]] = defaultdict(list)
    for one in devices:
        groups[one.row.site, one.row.line].append(one)
    found = [Line(*place, tuple(sorted(group, key=_rank))) for place, group in groups.items()]
    return sorted(found, key=_rank_of_line)


def _rank(one: Standing) -> tuple[int, str]:
    return WORDS.index(one.health.word), one.row.device


def _rank_of_line(line: Line) -> tuple[int, int, str, str]:
    worst = line.devices[0].health.word
    return WORDS.index(worst), -line.counts[worst], line.site, line.line


def _names(row: DeviceRow) -> str:
    streams = row.state.streams if row.state else ()
    names = (row.site, row.line, row.device, *(stream.name for stream in streams))
    return "\n".join(names).casefold()
