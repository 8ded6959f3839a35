"""One frame in a list: picture, verdict, leading reason, where and when."""

from __future__ import annotations

from nicegui import ui

from edge_guard.collector.queries import EventRow
from edge_guard.collector.web.marks import Mark, box, picture_address, without_picture
from edge_guard.collector.web.words import headline, moment, moment_of


class EventCard:
    """A card that leads to the event's own page.

    Parameters
    ----------
    row : EventRow
    """

    def __init__(self, row: EventRow) -> None:
        event = row.event
        self.element = box("card event-card", "a")
        self.element.props["href"] = f"/event/{row.id}"
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
