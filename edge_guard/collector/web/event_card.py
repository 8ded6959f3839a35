"""One frame in a list: picture, verdict, leading reason, where and when."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import quote

from nicegui import ui

from edge_guard.collector.queries import EventRow
from edge_guard.collector.web.marks import picture_address, without_picture
from edge_guard.collector.web.words import count, headline, moment, moment_of, shape


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
        alone = together == 1
        self.element = ui.html(self._html(), sanitize=False, tag="a").classes("card event-card")
        self.element.props["href"] = f"/event/{row.id}" if alone else incident_address(row)
        self.element.props["data-event"] = event.event_id

    def show(self, row: EventRow) -> None:
        """Take up a change of the event: only its picture can still arrive."""
        self.row = row
        self.element.set_content(self._html())

    def _html(self) -> str:
        """Return the content, one element for the server; what a device has written is escaped."""
        row, event = self.row, self.row.event
        verdict = event.verdict.value
        stored = escape(f"stored {moment(row.received_ms)}", quote=True)
        more = ""
        if self.together > 1:
            more += _line("event-incident", f"{count(self.together)} frames of one incident")
        if row.judged is not None:
            more += _line("event-judged", f"judged {row.judged}")
        of_part = f" · part {event.part_id}" if event.part_id else ""
        place = f"{row.device} · {event.stream}{of_part}"
        return (
            f'<div class="event-picture">{_picture_html(row)}</div><div class="event-words">'
            f'<div class="event-top"><div class="mark {shape(verdict)} is-{verdict}">'
            f'<div class="shape"></div><div>{verdict}</div></div>'
            f'<div class="time" title="{stored}">{escape(moment_of(event.captured_wall_time))}'
            f"</div></div>{_line('event-reason', headline(event))}{more}"
            f"{_line('event-place', place)}</div>"
        )


def _picture_html(row: EventRow) -> str:
    address = picture_address(row)
    if address is None:
        return _line("no-picture", without_picture(row))
    words = escape(f"frame {row.event.frame_sequence} of {row.event.stream}", quote=True)
    source = escape(f"{address}/small", quote=True)
    return f'<img src="{source}" alt="{words}" decoding="async" loading="lazy">'


def _line(classes: str, words: str) -> str:
    return f'<div class="{classes}">{escape(words)}</div>'


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


def part_address(part: str) -> str:
    """Return where all frames of a part are listed."""
    return f"/events?part={quote(part, safe='')}&kind=all"
