"""The alarms that stand, by incident, with what people can do about them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from urllib.parse import quote

from nicegui import ui

from edge_guard.collector.queries import AlarmRow
from edge_guard.collector.web.marks import Mark, box, link
from edge_guard.collector.web.ordering import Ordering
from edge_guard.collector.web.words import moment_of
from edge_guard.publish.messages import (
    Acknowledge,
    Action,
    Alarm,
    InService,
    OutOfService,
    Shelve,
    Unshelve,
    isa_state,
)

_ORDER = ("unacknowledged", "acknowledged", "returned", "shelved", "out-of-service")
_HOUR_S = 3600.0


class AlarmsPart:
    """The list, built anew when an alarm has changed.

    Parameters
    ----------
    ordering : Ordering
        Sends what people decide.
    """

    def __init__(self, ordering: Ordering) -> None:
        self._ordering = ordering
        self._shown: list[AlarmRow] = []
        self._list = box("alarms")

    def show(self, alarms: list[AlarmRow]) -> None:
        """Take up a change."""
        if alarms == self._shown:
            return
        self._shown = alarms
        self._list.clear()
        with self._list:
            for rows in by_incident(alarms):
                self._incident(rows)

    def _incident(self, rows: list[AlarmRow]) -> None:
        if len(rows) == 1:
            self._alarm(rows[0])
            return
        with box("alarm-group"):
            ui.label(f"{len(rows)} alarms of one incident").classes("alarm-group-title")
            for row in rows:
                self._alarm(row)

    def _alarm(self, row: AlarmRow) -> None:
        alarm, state = row.alarm, isa_state(row.alarm)
        quiet = " is-quiet" if state in ("shelved", "out-of-service") else ""
        with box(f"alarm{quiet}"):
            Mark(state)
            ui.label(alarm.message).classes("alarm-words")
            address = f"/stream/{row.device_id}/{quote(alarm.stream, safe='')}"
            link(f"{row.device} · {alarm.stream}", address)
            ui.label(f"since {moment_of(alarm.since_wall_time)}").classes("time")
            if said := standing_in_words(alarm):
                ui.label(said).classes("alarm-said")
            if alarm.isa_state is not None and self._ordering.may:  # older devices take no orders
                self._buttons(row)

    def _buttons(self, row: AlarmRow) -> None:
        with box("alarm-buttons"):
            for words, action in choices(row.alarm):
                order = partial(self._ordering.give, row.device_id, row.device, action)
                ui.button(words, on_click=order).props("no-caps outline dense")


def by_incident(alarms: Iterable[AlarmRow]) -> list[list[AlarmRow]]:
    """Return alarms of one incident together, what nobody has seen first."""
    groups: dict[tuple[object, ...], list[AlarmRow]] = {}
    ranked = sorted(alarms, key=lambda row: _ORDER.index(isa_state(row.alarm)))
    for place, row in enumerate(ranked):
        key = (row.device_id, row.alarm.incident or place)
        groups.setdefault(key, []).append(row)
    return list(groups.values())


def standing_in_words(alarm: Alarm) -> str:
    """Return who has done what about an alarm, and how it stands; empty: nothing to say."""
    said = []
    if alarm.state == "cleared":
        said.append("the condition is gone")
    if alarm.acknowledged_by:
        said.append(f"seen by {alarm.acknowledged_by}")
    if alarm.shelved_until_wall_time is not None:
        said.append(f"shelved until {moment_of(alarm.shelved_until_wall_time)}")
        said[-1] += f" by {alarm.shelved_by}" if alarm.shelved_by else ""
    if alarm.out_of_service_by:
        said.append(f"out of service by {alarm.out_of_service_by}")
    return ", ".join(said)


def choices(alarm: Alarm) -> list[tuple[str, Action]]:
    """Return what can be done about an alarm, in words and as commands."""
    at = {"stream": alarm.stream, "alarm": alarm.alarm}
    state, found = isa_state(alarm), list[tuple[str, Action]]()
    if not alarm.acknowledged:
        found.append(("Acknowledge", Acknowledge(**at)))
    if state == "out-of-service":
        return [*found, ("Back into service", InService(**at))]
    if state == "shelved":
        found.append(("Unshelve", Unshelve(**at)))
    else:
        found.append(("Shelve 1 h", Shelve(**at, seconds=_HOUR_S)))
        found.append(("Shelve 8 h", Shelve(**at, seconds=8 * _HOUR_S)))
    return [*found, ("Out of service", OutOfService(**at))]
