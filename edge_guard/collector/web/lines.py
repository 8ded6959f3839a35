"""The plant's lines and devices at a glance, for any number of them.

A line is one element whose content is written at once: a thousand devices are a few dozen elements
for the server to follow, and only lines that have changed are sent.
"""

from __future__ import annotations

import time
from functools import partial
from html import escape

from nicegui import ui

from edge_guard.collector.health import Word
from edge_guard.collector.queries import AlarmRow, DeviceRow
from edge_guard.collector.web.device_card import DeviceCard
from edge_guard.collector.web.marks import box
from edge_guard.collector.web.ordering import Ordering
from edge_guard.collector.web.plant import Line, Standing, chosen, counts, lines, standings
from edge_guard.collector.web.words import count, shape

MOST_CARDS = 12
"""A plant of so many devices shows each of them in full."""
MOST_TROUBLED = 4
"""Devices of a line whose trouble is told in words."""


class LinesPart:
    """Counts by state, a filter, and the lines, the worst first.

    Parameters
    ----------
    ordering : Ordering
    """

    def __init__(self, ordering: Ordering) -> None:
        self._ordering = ordering
        self._devices: dict[int, DeviceRow] = {}
        self._alarms: list[AlarmRow] = []
        self._word, self._text = "", ""
        self._cards: dict[int, DeviceCard] = {}
        self._lines: dict[tuple[str, str], tuple[ui.html, str, int]] = {}
        self._counted: dict[Word, int] = {}
        with box("plant-filter") as self._filter:
            self._chips = box("chips")
            search = ui.input("site, line, device or stream", on_change=self._search)
            search.props("outlined dense clearable debounce=200 type=search").classes("search")
        self._nothing = ui.label("No device matches.").classes("quiet")
        self._card_list, self._line_list = box("device-list"), box("line-list")

    def take_up(self, devices: list[DeviceRow], alarms: list[AlarmRow]) -> None:
        """Note what has changed; a plant of few devices is shown anew at once."""
        self._devices |= {row.id: row for row in devices}
        self._alarms = alarms
        if self.in_full or not self._lines:
            self.paint()

    @property
    def in_full(self) -> bool:
        """Return whether there are so few devices that each has a card."""
        return len(self._devices) <= MOST_CARDS

    def paint(self) -> None:
        """Show what is known now."""
        known = standings(self._devices.values(), self._alarms, int(time.time() * 1000))
        self._filter.set_visibility(not self.in_full)
        if self.in_full:
            self._paint_cards(known)
            self._nothing.set_visibility(False)
            return
        self._card_list.clear()
        self._cards.clear()
        self._paint_chips(counts(known))
        found = chosen(known, self._text, self._word)
        self._nothing.set_visibility(not found)
        self._paint_lines(lines(found))

    def _paint_cards(self, known: list[Standing]) -> None:
        for one in known:
            if one.row.id in self._cards:
                self._cards[one.row.id].show(one.row, one.health)
            else:
                with self._card_list:
                    self._cards[one.row.id] = DeviceCard(one.row, one.health, self._ordering)

    def _paint_chips(self, counted: dict[Word, int]) -> None:
        if counted == self._counted:
            return
        self._counted = counted
        self._chips.clear()
        with self._chips:
            self._chip("", "all", sum(counted.values()))
            for word, n in counted.items():
                self._chip(word, word, n)

    def _chip(self, word: str, words: str, n: int) -> None:
        chip = ui.element("button").classes(f"chip {shape(word) if word else 'no-shape'}")
        chip.props["aria-pressed"] = "true" if word == self._word else "false"
        chip.on("click", partial(self._choose, word))
        with chip:
            box("shape")
            ui.label(count(n)).classes("chip-count")
            ui.label(words)

    def _paint_lines(self, shown: list[Line]) -> None:
        gone = self._lines.keys() - {(line.site, line.line) for line in shown}
        for place in gone:
            self._lines.pop(place)[0].delete()
        for order, line in enumerate(shown):
            self._paint_line(order, line)

    def _paint_line(self, order: int, line: Line) -> None:
        place, content = (line.site, line.line), line_html(line)
        if place not in self._lines:
            with self._line_list:
                element = ui.html(content, sanitize=False).classes("card line-card")
        else:
            element, before, at = self._lines[place]
            if before != content:
                element.set_content(content)
            if at == order:
                self._lines[place] = element, content, order
                return
        element.style(replace=f"order: {order}")
        self._lines[place] = element, content, order

    def _choose(self, word: str) -> None:
        self._word = "" if word == self._word else word
        self._counted = {}
        self.paint()

    def _search(self, event: object) -> None:
        self._text = getattr(event, "value", "") or ""
        self.paint()


def line_html(line: Line) -> str:
    """Return a line's content; whatever a device has written is escaped."""
    worst = line.devices[0].health.word
    said = ", ".join(f"{count(n)} {word}" for word, n in line.counts.items())
    troubled = [one for one in line.devices if one.health.word != "healthy"]
    told = "".join(_trouble_html(one) for one in troubled[:MOST_TROUBLED])
    if len(troubled) > MOST_TROUBLED:
        told += f'<div class="quiet">and {count(len(troubled) - MOST_TROUBLED)} more</div>'
    return (
        f'<div class="line-top"><div class="line-title">{escape(line.line)}'
        f'<span class="device-place">{escape(line.site)}</span></div>'
        f'<div class="mark {shape(worst)}"><div class="shape"></div><div>{worst}</div></div></div>'
        f'<div class="dots">{"".join(map(_dot_html, line.devices))}</div>'
        f'<div class="quiet">{said}</div>{told}'
    )


def _dot_html(one: Standing) -> str:
    words = escape(f"{one.row.device}: {one.health.word}", quote=True)
    return (
        f'<a class="dot {shape(one.health.word)}" href="/device/{one.row.id}" title="{words}"'
        f' aria-label="{words}"><span class="shape"></span></a>'
    )


def _trouble_html(one: Standing) -> str:
    return (
        f'<a class="trouble {shape(one.health.word)}" href="/device/{one.row.id}">'
        f'<span class="shape"></span><span><b>{escape(one.row.device)}</b> {one.health.word}'
        f'<span class="trouble-why">{escape(one.health.why)}</span></span></a>'
    )
