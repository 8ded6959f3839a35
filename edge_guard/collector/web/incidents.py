"""The incidents of one stream in the time that is shown."""

from __future__ import annotations

from urllib.parse import quote

from nicegui import ui

from edge_guard.collector.spans import Incident
from edge_guard.collector.web.marks import Mark, box, link
from edge_guard.collector.web.words import count, moment


class IncidentsPart:
    """The list, built anew when an incident has changed.

    Parameters
    ----------
    device : int
    """

    def __init__(self, device: int) -> None:
        self._device = device
        with box("section-top") as self._top:
            ui.label("Incidents").classes("section-title")
        self._list = box("alarms")
        self._shown: list[Incident] = []
        self._top.set_visibility(False)

    def show(self, incidents: list[Incident]) -> None:
        """Take up a change."""
        if incidents == self._shown:
            return
        self._shown = incidents
        self._top.set_visibility(bool(incidents))
        self._list.clear()
        with self._list:
            for one in incidents:
                self._incident(one)

    def _incident(self, one: Incident) -> None:
        with box("incident"):
            Mark(one.state)
            ui.label(one.words).classes("alarm-words")
            ui.label(", ".join(one.alarms)).classes("quiet")
            if one.frames:
                address = f"/events?device={self._device}&incident={quote(one.incident, safe='')}"
                link(f"{count(one.frames)} flagged frames", address)
            ui.label(f"{moment(one.first_ms)} – {moment(one.last_ms)}").classes("time")
