"""``/device/{device}``: one device in full, with its standing alarms."""

from __future__ import annotations

import asyncio
import time

from nicegui import ui

from edge_guard.collector.feed import News
from edge_guard.collector.health import health
from edge_guard.collector.queries import AlarmRow, DeviceRow
from edge_guard.collector.web.alarms import AlarmsPart
from edge_guard.collector.web.device_card import DeviceCard
from edge_guard.collector.web.frame import Frame
from edge_guard.collector.web.marks import box, link
from edge_guard.collector.web.ordering import Ordering
from edge_guard.collector.web.site import Site

CLOCK_S = 5.0


async def device_page(site: Site, number: int) -> None:
    """Build the page.

    Parameters
    ----------
    site : Site
    number : int
        The device's.
    """
    rows = await asyncio.to_thread(site.queries.devices, [number])
    if not rows:
        frame = Frame(site)
        with frame.body, box("empty"):
            ui.label(f"There is no device {number}.").classes("empty-title")
            link("the plant", "/")
        frame.follow()
        return
    page = _Device(rows[0])
    frame = Frame(site, "", page.take_up)
    with frame.body:
        page.build(site)
    frame.follow()
    ui.timer(CLOCK_S, page.look_at_clock)


class _Device:
    def __init__(self, row: DeviceRow) -> None:
        self._row = row
        self._alarms: list[AlarmRow] = []

    def build(self, site: Site) -> None:
        ui.label(self._row.device).classes("detail-title")
        ordering = self._ordering = Ordering(site)
        self._alarms_part = AlarmsPart(ordering)
        with box("device-alone"):
            self._card = DeviceCard(self._row, health(self._row, (), _now_ms()), ordering)
        link("its flagged frames", f"/events?device={self._row.id}")

    def take_up(self, news: News) -> None:
        self._row = next((row for row in news.devices if row.id == self._row.id), self._row)
        self._alarms = [one for one in news.alarms if one.device_id == self._row.id]
        self._alarms_part.show(self._alarms)
        self._ordering.hear(news.replies)
        self._card.show(self._row, health(self._row, self._alarms, _now_ms()))

    def look_at_clock(self) -> None:
        self._card.show(self._row, health(self._row, self._alarms, _now_ms()))


def _now_ms() -> int:
    return int(time.time() * 1000)
