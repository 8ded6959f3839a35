"""``/stream/{device}/{stream}``: what one stream saw over time, from its summaries."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from nicegui import ui

from edge_guard.collector.accuracy import StreamAccuracy
from edge_guard.collector.queries import MOST_SUMMARIES, DeviceRow
from edge_guard.collector.spans import Spans
from edge_guard.collector.web import charts
from edge_guard.collector.web.access import person
from edge_guard.collector.web.accuracy import AccuracyPart, stream_accuracy
from edge_guard.collector.web.drift import DriftPart
from edge_guard.collector.web.frame import Frame
from edge_guard.collector.web.incidents import IncidentsPart
from edge_guard.collector.web.marks import Mark, box, link, tile
from edge_guard.collector.web.scores import ScoresPart
from edge_guard.collector.web.site import Site
from edge_guard.collector.web.words import count, moment, percent

SPANS = (1, 8, 24)
"""Hours that can be shown."""
HOUR_MS = 3_600_000
REFRESH_S = {1: 5.0, 8: 5.0, 24: 30.0}
"""Longer times change less, and cost more to read."""
FIRST_STATISTICS = ("score.fused", "confidence", "image.mean", "image.focus")
"""Shown unless somebody chooses others."""

Option = Callable[[charts.Timed, int], dict[str, Any]]
CHARTS: tuple[tuple[str, Option], ...] = (
    ("Frames by verdict", charts.verdicts),
    ("Flagged share", charts.flagged_share),
    ("Flagged frames by leading reason", charts.reasons),
)


async def stream_page(
    site: Site, device_id: int, stream: str, hours: int, until_ms: int | None = None
) -> None:
    """Build the page.

    Parameters
    ----------
    site : Site
    device_id : int
    stream : str
    hours : int
        How far back; one of ``SPANS``.
    until_ms : int, optional
        Since the Unix epoch, where the time that is shown ends; default: now, and it goes on.
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
            _title(devices[0], stream, hours, until_ms)
            page = _Stream(site, device_id, stream, hours, until_ms)
            page.build()
            await page.refresh()
            if until_ms is None:
                ui.timer(REFRESH_S[hours], page.refresh, immediate=False)
    frame.follow()


def _title(device: DeviceRow, stream: str, hours: int, until_ms: int | None) -> None:
    place = f"/stream/{device.id}/{quote(stream, safe='')}"
    told = (
        next((s for s in device.state.streams if s.name == stream), None) if device.state else None
    )
    with box("section-top"):
        with box("stream-title"):
            with box("detail-top"):
                ui.label(stream).classes("detail-title")
                if told is not None:
                    Mark(told.state)
            with box("stream-where"):
                link(device.device, f"/device/{device.id}")
                ui.label(f"{device.site} · {device.line}").classes("device-place")
                chosen = f"device={device.id}&stream={quote(stream, safe='')}"
                link("flagged frames", f"/events?{chosen}")
                link("review them", f"/review?{chosen}")
                if person().may("engineer"):
                    link("retune", place.replace("/stream/", "/retune/", 1))
                    link("datasets", f"/datasets?{chosen}")
        _times(place, hours, until_ms)


def _times(place: str, hours: int, until_ms: int | None) -> None:
    """Build the choice of the time that is shown."""
    now = int(time.time() * 1000)
    end, span = until_ms if until_ms is not None else now, hours * HOUR_MS
    with box("spans"):
        link("◂ earlier", f"{place}?hours={hours}&until={end - span}", "button")
        for hour in SPANS:
            here = "button is-here" if hour == hours else "button"
            at = "" if until_ms is None else f"&until={until_ms}"
            link("1 hour" if hour == 1 else f"{hour} hours", f"{place}?hours={hour}{at}", here)
        if until_ms is not None:
            later = "" if end + span >= now else f"&until={end + span}"
            link("later ▸", f"{place}?hours={hours}{later}", "button")
            link("now", f"{place}?hours={hours}", "button")


class _Stream:
    def __init__(
        self, site: Site, device: int, stream: str, hours: int, until_ms: int | None
    ) -> None:
        self._site, self._queries = site, site.queries
        self._spans = Spans(site.store.engine)
        self._key = (device, stream)
        self._span_ms, self._until_ms = hours * HOUR_MS, until_ms
        self._charts: list[tuple[ui.echart, Option]] = []
        self._statistics: dict[str, ui.echart] = {}

    def build(self) -> None:
        self._note = ui.label().classes("quiet")
        with box("empty") as self._empty:
            ui.label("No summary in this time.").classes("empty-title")
            ui.label("A running device sends one a minute, or as configured.").classes("quiet")
        self._figures = _Figures()
        self._accuracy = AccuracyPart(*self._key)
        self._drift = DriftPart()
        with box("charts") as self._all:
            for title, option in CHARTS:
                wide = option is charts.reasons  # its legend is long
                with box("card chart-card is-wide" if wide else "card chart-card"):
                    ui.label(title).classes("card-title")
                    self._charts.append((ui.echart({}, renderer="svg").classes("chart"), option))
        self._scores = ScoresPart()
        self._incidents = IncidentsPart(self._key[0])
        with box("section-top") as self._choice_row:
            ui.label("Means of scores and image statistics").classes("section-title")
            self._choice = ui.select([], multiple=True, label="shown", on_change=self._choose)
            self._choice.classes("choice").props("outlined dense use-chips")
        self._grid = box("charts is-small")

    async def refresh(self) -> None:
        until = self._until_ms or int(time.time() * 1000) + HOUR_MS  # devices' clocks may be ahead
        since = (self._until_ms or int(time.time() * 1000)) - self._span_ms
        key = self._key
        summaries = await asyncio.to_thread(self._spans.summaries, *key, since, until)
        alarms = await asyncio.to_thread(self._queries.drift_alarms, *key, since)
        incidents = await asyncio.to_thread(self._spans.incidents, *key, since, until)
        known = await asyncio.to_thread(stream_accuracy, self._site, *key, since, summaries, until)
        self._summaries: charts.Timed = summaries
        self._bucket_ms = charts.bucket_width_ms(summaries)
        self._say(since)
        answers: Counter[str] = Counter()
        for _, summary in summaries:
            answers.update(summary.labels)
        self._figures.show(summaries, known)
        self._accuracy.show(known, answers)
        self._drift.show(
            summaries, [row for row in alarms if row.occurred_ms < until], self._bucket_ms
        )
        for chart, option in self._charts:
            _draw(chart, option(summaries, self._bucket_ms))
        self._scores.show(summaries)
        self._incidents.show(incidents)
        self._offer(charts.statistic_names(summaries))
        for name, chart in self._statistics.items():
            _draw(chart, charts.statistic(summaries, name, self._bucket_ms))

    def _say(self, since: int) -> None:
        """Tell which time is shown, and whether all of it."""
        self._empty.set_visibility(not self._summaries)
        self._all.set_visibility(bool(self._summaries))
        end = "now" if self._until_ms is None else moment(self._until_ms)
        words = f"{moment(since)} to {end}"
        if len(self._summaries) == MOST_SUMMARIES:
            words += f"; only the newest {count(MOST_SUMMARIES)} summaries are shown"
        self._note.set_text(words)

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
                    drawn = ui.echart(options, renderer="svg").classes("chart is-small")
                    self._statistics[name] = drawn


class _Figures:
    """The time that is shown in numbers."""

    def __init__(self) -> None:
        with box("totals"):
            self._frames = tile("frames")
            self._coverage = tile("accepted: coverage")
            self._flagged = tile("flagged by the guards")
            self._estimate = tile("estimated accuracy")
            self._audited = tile("audited accuracy")
            self._false = tile("false flags, audited")

    def show(self, summaries: charts.Timed, known: StreamAccuracy) -> None:
        """Show what is known now."""
        verdicts: Counter[str] = Counter()
        for _, summary in summaries:
            verdicts.update(summary.verdicts)
        frames, accepted = verdicts.total(), verdicts["accept"]
        self._frames.set_text(count(frames))
        self._coverage.set_text(percent(accepted / frames if frames else None))
        self._flagged.set_text(percent(known.flagged / known.frames if known.frames else None))
        self._estimate.set_text(percent(known.estimate.accuracy if known.estimate else None))
        right, wrong = known.audit.accuracy, known.audit.false_flags
        self._audited.set_text(percent(right.share if right else None))
        self._false.set_text(percent(wrong.share if wrong else None))


def _draw(chart: ui.echart, options: dict[str, Any]) -> None:
    if chart.options != options:
        chart.options.clear()
        chart.options.update(options)
        chart.update()
