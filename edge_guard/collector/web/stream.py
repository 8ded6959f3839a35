"""``/stream/{device}/{stream}``: what one stream saw over time, from its summaries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from nicegui import ui

from edge_guard.collector.queries import MOST_SUMMARIES, DeviceRow
from edge_guard.collector.web import charts
from edge_guard.collector.web.accuracy import AccuracyPart, stream_accuracy
from edge_guard.collector.web.drift import DriftPart
from edge_guard.collector.web.frame import Frame
from edge_guard.collector.web.marks import box, link
from edge_guard.collector.web.site import Site
from edge_guard.collector.web.words import count

SPANS = (1, 8, 24)
"""Hours that can be shown."""
REFRESH_S = 5.0
FIRST_STATISTICS = ("score.fused", "confidence", "image.mean", "image.focus")
"""Shown unless somebody chooses others."""

Option = Callable[[charts.Timed, int], dict[str, Any]]
CHARTS: tuple[tuple[str, Option], ...] = (
    ("Frames by verdict", charts.verdicts),
    ("Flagged share", charts.flagged_share),
    ("Flagged frames by leading reason", charts.reasons),
)


async def stream_page(site: Site, device_id: int, stream: str, hours: int) -> None:
    """Build the page.

    Parameters
    ----------
    site : Site
    device_id : int
    stream : str
    hours : int
        How far back; one of ``SPANS``.
    """
    hours = hours if hours in SPANS else 1
    devices = await asyncio.to_thread(site.queries.devices, [device_id])
    frame = Frame(site)
    with frame.body:
        if not devices:
            with box("empty"):
                ui.label(f"There is no device {device_id}.").classes("empty-title")
                link("the plant", "/")
        else:
            _title(devices[0], stream, hours)
            page = _Stream(site, device_id, stream, hours)
            page.build()
            await page.refresh()
            ui.timer(REFRESH_S, page.refresh, immediate=False)
    frame.follow()


def _title(device: DeviceRow, stream: str, hours: int) -> None:
    place = f"/stream/{device.id}/{quote(stream, safe='')}"
    with box("section-top"):
        with box("stream-title"):
            ui.label(stream).classes("detail-title")
            ui.label(f"{device.device} · {device.site} · {device.line}").classes("device-place")
        with box("spans"):
            for span in SPANS:
                words = "1 hour" if span == 1 else f"{span} hours"
                link(
                    words, f"{place}?hours={span}", "button is-here" if span == hours else "button"
                )
    link("its flagged frames", f"/events?device={device.id}&stream={quote(stream, safe='')}")


class _Stream:
    def __init__(self, site: Site, device: int, stream: str, hours: int) -> None:
        self._site, self._queries = site, site.queries
        self._key = (device, stream)
        self._span_ms = hours * 3_600_000
        self._charts: list[tuple[ui.echart, Option]] = []
        self._statistics: dict[str, ui.echart] = {}

    def build(self) -> None:
        self._note = ui.label().classes("quiet")
        with box("empty") as self._empty:
            ui.label("No summary in this time.").classes("empty-title")
            ui.label("A running device sends one a minute, or as configured.").classes("quiet")
        with box("charts") as self._all:
            for title, option in CHARTS:
                wide = option is charts.reasons  # its legend is long
                with box("card chart-card is-wide" if wide else "card chart-card"):
                    ui.label(title).classes("card-title")
                    self._charts.append((ui.echart({}).classes("chart"), option))
        self._accuracy = AccuracyPart(*self._key)
        self._drift = DriftPart()
        with box("section-top") as self._choice_row:
            ui.label("Means of scores and image statistics").classes("section-title")
            self._choice = ui.select([], multiple=True, label="shown", on_change=self._choose)
            self._choice.classes("choice").props("outlined dense use-chips")
        self._grid = box("charts is-small")

    async def refresh(self) -> None:
        since = int(time.time() * 1000) - self._span_ms
        summaries = await asyncio.to_thread(self._queries.summaries, *self._key, since)
        self._summaries: charts.Timed = summaries
        self._empty.set_visibility(not summaries)
        self._all.set_visibility(bool(summaries))
        full = len(summaries) == MOST_SUMMARIES
        self._note.set_text(f"Only the newest {count(MOST_SUMMARIES)} summaries are shown.")
        self._note.set_visibility(full)
        self._bucket_ms = charts.bucket_width_ms(summaries)
        alarms = await asyncio.to_thread(self._queries.drift_alarms, *self._key, since)
        self._drift.show(summaries, alarms, self._bucket_ms)
        known = await asyncio.to_thread(stream_accuracy, self._site, *self._key, since, summaries)
        self._accuracy.show(known)
        for chart, option in self._charts:
            _draw(chart, option(summaries, self._bucket_ms))
        self._offer(charts.statistic_names(summaries))
        for name, chart in self._statistics.items():
            _draw(chart, charts.statistic(summaries, name, self._bucket_ms))

    def _offer(self, names: list[str]) -> None:
        self._choice_row.set_visibility(bool(names))
        if names != self._choice.options:
            chosen = [name for name in self._choice.value or [] if name in names]
            first = [name for name in FIRST_STATISTICS if name in names] or names[:1]
            self._choice.set_options(names, value=chosen or first)

    def _choose(self) -> None:
        self._grid.clear()
        self._statistics = {}
        with self._grid:
            for name in self._choice.value or []:
                with box("card chart-card"):
                    ui.label(name).classes("card-title")
                    options = charts.statistic(self._summaries, name, self._bucket_ms)
                    self._statistics[name] = ui.echart(options).classes("chart is-small")


def _draw(chart: ui.echart, options: dict[str, Any]) -> None:
    if chart.options != options:
        chart.options.clear()
        chart.options.update(options)
        chart.update()
