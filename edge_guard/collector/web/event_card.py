"""One frame in a list: picture, verdict, leading reason, where and when."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from nicegui import ui

from edge_guard.collector.queries import EventRow
from edge_guard.collector.web.marks import Mark, box, picture_address, without_picture
from edge_guard.collector.web.words import count, headline, moment, moment_of


class EventCard:
    """A card that leads to the event's own page.

    Parameters
    ----------
    row : EventRow
    together : int
        Frames of its trouble that it stands for; from 2 on it leads to the incident's list.

    Attributes
    ----------
    row : EventRow
    together : int
    """

    def __init__(self, row: EventRow, together: int = 1) -> None:
        event = row.event
        self.row, self.together = row, together
        self.element = box("card event-card", "a")
        alone = together == 1
        self.element.props["href"] = f"/event/{row.id}" if alone else incident_address(row)
        self.element.props["data-event"] = event.event_id
        with self.element:
            with box("event-picture") as self._frame:
                self._fill(row)
            with box("event-words"):
                with box("event-top"):
                    Mark(event.verdict.value)
                    time = ui.label(moment_of(event.captured_wall_time)).classes("time")
                    time.props["title"] = f"stored {moment(row.received_ms)}"
                ui.label(headline(event)).classes("event-reason")
                if not alone:
                    words = f"{count(together)} frames of one incident"
                    ui.label(words).classes("event-incident")
                if row.judged is not None:
                    ui.label(f"judged {row.judged}").classes("event-judged")
                ui.label(f"{row.device} · {event.stream}").classes("event-place")

    def show(self, row: EventRow) -> None:
        """Take up a change of the event: only its picture can still arrive."""
        self._frame.clear()
        with self._frame:
            self._fill(row)

    def _fill(self, row: EventRow) -> None:
        address = picture_address(row)
        if address is None:
            ui.label(without_picture(row)).classes("no-picture")
            return
        image = ui.element("img")
        image.props["src"] = address
        image.props["alt"] = f"frame {row.event.frame_sequence} of {row.event.stream}"
        image.props["decoding"] = "async"


def trouble(row: EventRow) -> tuple[int, str, str] | None:
    """Return what frames of one incident that were flagged for the same reason share."""
    if not row.event.incident:
        return None
    leading = row.event.reasons[0].guard if row.event.reasons else ""
    return row.device_id, row.event.incident, leading


def gathered(rows: Iterable[EventRow]) -> list[tuple[EventRow, int]]:
    """Return the newest frame of each trouble, oldest first, with how many there are of it.

    Parameters
    ----------
    rows : iterable of EventRow
        Oldest first.
    """
    newest: dict[object, tuple[EventRow, int]] = {}
    for row in rows:
        key = trouble(row) or row.id
        _, before = newest.pop(key, (row, 0))
        newest[key] = (row, before + 1)
    return list(newest.values())


def incident_address(row: EventRow) -> str:
    """Return where all frames of the event's incident are listed."""
    incident = quote(row.event.incident, safe="")
    return f"/events?device={row.device_id}&incident={incident}&kind=all"
