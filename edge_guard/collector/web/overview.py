"""``/``: the plant at a glance, and the newest flagged frames as they come in."""

from __future__ import annotations

from nicegui import ui

from edge_guard.collector.feed import News, Totals
from edge_guard.collector.queries import AlarmRow, EventRow
from edge_guard.collector.web.alarms import AlarmsPart
from edge_guard.collector.web.event_card import EventCard, gathered, trouble
from edge_guard.collector.web.frame import Frame
from edge_guard.collector.web.lines import LinesPart
from edge_guard.collector.web.marks import box, link, tile
from edge_guard.collector.web.ordering import Ordering
from edge_guard.collector.web.site import Site
from edge_guard.collector.web.words import count
from edge_guard.publish.messages import isa_state

MOST_CARDS = 24
MOST_ALARMS = 40
"""Alarms in the list, those that nobody has seen first."""
PAINT_S = 1.0
"""How often the lines are looked at: a device that has fallen silent sends no news of it."""


def overview(site: Site) -> None:
    """Build the page.

    Parameters
    ----------
    site : Site
    """
    page = _Overview(site)
    frame = Frame(site, "plant", page.take_up)
    with frame.body:
        page.build()
    frame.follow()
    ui.timer(PAINT_S, page.paint)


class _Overview:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._events: dict[int, EventCard] = {}

    def build(self) -> None:
        self._totals = _TotalsRow()
        self._ordering = Ordering(self._site)
        with box("plant-alarms"):
            self._alarms = AlarmsPart(self._ordering)
            self._more_alarms = ui.label().classes("quiet")
        with box("plant") as self._plant:
            with box("plant-devices", "section"):
                ui.label("Lines and devices").classes("section-title")
                self._no_device = _empty(
                    "No device has reported yet.",
                    "Start one with “edge-guard run DEVICE.toml” against the same broker.",
                )
                self._lines = LinesPart(self._ordering)
            with box("plant-events", "section"):
                with box("section-top"):
                    ui.label("Newest flagged frames").classes("section-title")
                    link("all flagged frames", "/events")
                self._no_event = _empty(
                    "No frame has been flagged.",
                    "Frames that a person should look at appear here within a second.",
                )
                self._event_list = box("event-grid")

    def take_up(self, news: News) -> None:
        self._totals.show(news.totals)
        self._lines.take_up(news.devices, news.alarms)
        self._plant.classes(
            add="" if self._lines.in_full else "is-large",
            remove="is-large" if self._lines.in_full else "",
        )
        self._show_events(news.events)
        self._alarms.show(most_urgent(news.alarms))
        hidden = len(news.alarms) - MOST_ALARMS
        self._more_alarms.set_text(f"and {count(hidden)} more standing alarms")
        self._more_alarms.set_visibility(hidden > 0)
        self._ordering.hear(news.replies)
        self._no_device.set_visibility(not news.totals.devices)
        self._no_event.set_visibility(not self._events)

    def paint(self) -> None:
        self._lines.paint()

    def _show_events(self, rows: list[EventRow]) -> None:
        fresh = []
        for row in rows:
            if row.id in self._events:
                self._events[row.id].show(row)
            else:
                fresh.append(row)
        for row, together in gathered(fresh)[-MOST_CARDS:]:
            if len(self._events) < MOST_CARDS or row.id > min(self._events):
                self._add_event(row, together)
        self._drop_old_events()

    def _add_event(self, row: EventRow, together: int) -> None:
        """Show a frame; the newest stands for all of its trouble."""
        older = self._same_trouble(row)
        if older is not None:
            if older.row.id > row.id:
                return
            self._events.pop(older.row.id).element.delete()
            together += older.together
        newer = sum(number > row.id for number in self._events)
        with self._event_list:
            card = EventCard(row, together)
        card.element.move(target_index=newer)
        self._events[row.id] = card

    def _same_trouble(self, row: EventRow) -> EventCard | None:
        shared = trouble(row)
        if shared is None:
            return None
        cards = self._events.values()
        return next((card for card in cards if trouble(card.row) == shared), None)

    def _drop_old_events(self) -> None:
        for number in sorted(self._events)[:-MOST_CARDS]:
            self._events.pop(number).element.delete()


def most_urgent(alarms: list[AlarmRow]) -> list[AlarmRow]:
    """Return as many alarms as are listed: those that nobody has seen first, then the newest."""
    unseen = sorted(alarms, key=lambda row: isa_state(row.alarm) != "unacknowledged")
    return unseen[:MOST_ALARMS]


class _TotalsRow:
    def __init__(self) -> None:
        with box("totals"):
            self._online = tile("devices online")
            self._events = tile("flagged frames stored")
            self._stored = tile("messages stored")
            self._backlog = tile("waiting on devices")
            self._dropped = tile("given up by devices")
            self._refused = tile("refused as malformed")

    def show(self, totals: Totals) -> None:
        self._online.set_text(f"{count(totals.online)} of {count(totals.devices)}")
        self._events.set_text(count(totals.events))
        self._stored.set_text(count(totals.stored))
        self._backlog.set_text(count(totals.backlog))
        self._dropped.set_text(count(totals.dropped))
        self._refused.set_text(count(totals.refused))


def _empty(title: str, advice: str) -> ui.element:
    with box("empty") as element:
        ui.label(title).classes("empty-title")
        ui.label(advice).classes("quiet")
    return element
