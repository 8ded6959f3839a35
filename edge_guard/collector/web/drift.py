"""The drift of one stream: what changed since when, before and after, and its course."""

from __future__ import annotations

import base64
from collections import defaultdict
from typing import Any

from nicegui import ui

from edge_guard.collector.pictures import media_type
from edge_guard.collector.queries import AlarmRow
from edge_guard.collector.web import charts
from edge_guard.collector.web.marks import Mark, box
from edge_guard.collector.web.words import count, moment, moment_of
from edge_guard.drift.histogram import DEVIATION, distances, edges_of
from edge_guard.drift.merge import Merged
from edge_guard.publish.messages import DriftEvidence

MOST_CHANNELS = 5
"""Channels drawn: those that are off the furthest."""
MOST_LABELS = 4
"""Alarms that the chart labels; more would hide each other."""

_SIDE = 8
_STRONG_LEVELS = 8.0
"""A change of a cell by so many grey levels has the full colour."""

_BRIGHTER, _DARKER = "#D55E00", "#0072B2"
_LAST_MS = 3_600_000


class DriftPart:
    """The part of a stream's page that speaks of drift; built once, shown anew."""

    def __init__(self) -> None:
        with box("section-top") as self._top:
            ui.label("Drift").classes("section-title")
        self._incident = box("drift-incident")
        with box("charts drift") as self._charts:
            with box("card chart-card is-wide"):
                ui.label("Deviation from the references, standard deviations").classes("card-title")
                self._course = ui.echart({}, renderer="svg").classes("chart drift-course")
            with box("card is-wide"):
                ui.label("The last hour against what was before").classes("card-title")
                self._table = box("drift-table")
        self._shown: list[AlarmRow] | None = None
        self._rows: list[tuple[str, str]] | None = None

    def show(self, summaries: charts.Timed, alarms: list[AlarmRow], bucket_ms: int) -> None:
        """Show what is known now."""
        names = _furthest(summaries)
        for part in (self._top, self._charts):
            part.set_visibility(bool(names or alarms))
        options = course(summaries, names, alarms, bucket_ms)
        if self._course.options != options:
            self._course.options.clear()
            self._course.options.update(options)
            self._course.update()
        self._compare(summaries)
        if alarms != self._shown:
            self._shown = alarms
            self._incident.clear()
            with self._incident:
                if alarms:
                    _incident(alarms[0])

    def _compare(self, summaries: charts.Timed) -> None:
        rows = compared(summaries)
        if rows == self._rows:
            return
        self._rows = rows
        self._table.clear()
        with self._table:
            if not rows:
                ui.label("There are no two spans of one bundle to compare yet.").classes("quiet")
            for name, words in rows:
                with box("line"):
                    ui.label(name).classes("line-name")
                    ui.label(words).classes("line-value")


def _incident(row: AlarmRow) -> None:
    """Build the card of the newest word on drift."""
    alarm, evidence = row.alarm, row.alarm.drift
    with box("card drift-card"):
        with box("detail-top"):
            Mark(alarm.state)
            ui.label(alarm.message).classes("card-title")
        ui.label(
            f"since {moment_of(alarm.since_wall_time)}, last word {moment(row.occurred_ms)}"
        ).classes("time")
        if evidence is None:
            return
        with box("drift-evidence"):
            _picture("before", evidence.before)
            _picture("after", evidence.after)
            with box("drift-picture"):
                ui.label("difference").classes("fact-name")
                ui.html(difference(evidence.cells), sanitize=False).classes("drift-cells")
                ui.label("orange = brighter, blue = darker").classes("quiet")
            with box("drift-statistics"):
                _statistics(evidence)


def _picture(name: str, jpeg: bytes | None) -> None:
    with box("drift-picture"):
        ui.label(name).classes("fact-name")
        kind = media_type(jpeg) if jpeg else None
        if jpeg is None or kind is None:
            ui.label("no picture was kept").classes("no-picture")
            return
        image = ui.element("img")
        image.props["src"] = f"data:{kind};base64,{base64.b64encode(jpeg).decode()}"
        image.props["alt"] = f"a frame {name} the change"


def _statistics(evidence: DriftEvidence) -> None:
    for moved in evidence.statistics:
        with box("line"):
            ui.label(moved.name).classes("line-name")
            ui.label(
                f"{moved.after - moved.before:+.3g} {moved.unit} ({moved.deviations:+.1f} σ)"
            ).classes("line-value")
    likeness = f"{evidence.similarity:.0%} like a known change, "
    ui.label(f"{likeness}from {count(evidence.frames)} frames").classes("quiet")


def difference(cells: tuple[float, ...]) -> str:
    """Return the SVG of the cells' change; empty where there are not 64 of them.

    It holds numbers only: nothing that a device writes becomes markup.
    """
    if len(cells) != _SIDE * _SIDE:
        return ""
    parts = [
        f'<rect x="{i % _SIDE}" y="{i // _SIDE}" width="1" height="1" '
        f'fill="{_BRIGHTER if value > 0 else _DARKER}" '
        f'fill-opacity="{min(abs(value) / _STRONG_LEVELS, 1.0):.2f}"/>'
        for i, value in enumerate(cells)
    ]
    return (
        f'<svg viewBox="0 0 {_SIDE} {_SIDE}" preserveAspectRatio="none" role="img" '
        f'aria-label="difference">{"".join(parts)}</svg>'
    )


def course(
    summaries: charts.Timed, names: list[str], alarms: list[AlarmRow], bucket_ms: int
) -> dict[str, Any]:
    """Return a chart of channels' mean deviations in each bucket, alarms as vertical lines."""
    series = []
    for name, colour in zip(names, charts.SERIES, strict=False):
        drawn = charts.statistic(summaries, name, bucket_ms)["series"][0]
        short = name.removeprefix(DEVIATION)
        series.append(drawn | {"name": short, "itemStyle": {"color": colour}})
    options = charts.chart(series, bucket_ms)
    marks = [
        {"xAxis": row.occurred_ms, "name": row.alarm.state, "lineStyle": {"color": colour}}
        for row in alarms
        for colour in ["#009E73" if row.alarm.state == "cleared" else "#D55E00"]
    ]
    if series and marks:
        label = {"formatter": "{b}", "color": "#1b2733", "show": len(marks) <= MOST_LABELS}
        series[0]["markLine"] = {"symbol": "none", "label": label, "data": marks}
    return options


def _furthest(summaries: charts.Timed) -> list[str]:
    """Return the channels whose mean is off the furthest in any window."""
    furthest: defaultdict[str, float] = defaultdict(float)
    for _, summary in summaries:
        for name, moments in summary.statistics.items():
            if name.startswith(DEVIATION) and moments.n:
                furthest[name] = max(furthest[name], abs(moments.mean))
    return sorted(furthest, key=lambda name: -furthest[name])[:MOST_CHANNELS]


def compared(summaries: charts.Timed) -> list[tuple[str, str]]:
    """Return, by channel, how the last hour differs from what was before under the same bundle.

    Channels whose distribution differs by more than chance come first, the furthest first.
    """
    if not summaries:
        return []
    bundle, border = summaries[-1][1].bundle, summaries[-1][0] - _LAST_MS
    before, now = Merged(bundle), Merged(bundle)
    for at, summary in summaries:
        (now if at > border else before).add(summary)
    earlier, rows = before.histograms(), []
    for name, counts in now.histograms().items():
        apart = distances(earlier.get(name, ()) or (0,) * len(counts), counts, edges_of(name))
        if apart is None:
            continue
        differs = apart.ks > apart.ks_chance
        words = (
            f"{'differs' if differs else 'as before'}: PSI {apart.psi_excess:.2f}, "
            f"KS {apart.ks:.2f} (chance {apart.ks_chance:.2f}), W {apart.wasserstein:.2f}"
        )
        rows.append((not differs, -apart.wasserstein, name.removeprefix(DEVIATION), words))
    return [(name, words) for _, _, name, words in sorted(rows)]
