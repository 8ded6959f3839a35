"""From summaries to the options of ECharts; pure functions, colours of Okabe & Ito (2008)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from edge_guard.drift.histogram import Counts
from edge_guard.publish.messages import Summary

COLOURS = {"accept": "#009E73", "review": "#E69F00", "invalid": "#D55E00"}
SERIES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7A7A7A", "#8A8A00")
DECALS = {"accept": "none", "review": "triangle", "invalid": "rect"}
"""Patterns beside the colours."""
GRID = {"color": "#80889040"}
"""Visible on light and on dark paper."""
MOST_REASONS = 7
BUCKETS_MS = (10_000, 30_000, 60_000, 300_000, 900_000)
MOST_BUCKETS = 100

Timed = list[tuple[int, Summary]]


def bucket_width_ms(summaries: Timed) -> int:
    """Return the width of a chart's buckets: fine while there is little to show, then coarser.

    No finer than the summaries come, so that none stays empty between two of them.
    """
    if len(summaries) < 2:
        return BUCKETS_MS[0]
    span = summaries[-1][0] - summaries[0][0]
    spacing = span / (len(summaries) - 1)
    least = max(span / MOST_BUCKETS, 0.9 * spacing)  # windows of a minute are never quite one
    return next((width for width in BUCKETS_MS if width >= least), BUCKETS_MS[-1])


def verdicts(summaries: Timed, bucket_ms: int) -> dict[str, Any]:
    """Return a chart of frames in each bucket, stacked by verdict."""
    counts: dict[str, Counter[int]] = {name: Counter() for name in COLOURS}
    for at, summary in summaries:
        for name in COLOURS:
            counts[name][at // bucket_ms] += summary.verdicts.get(name, 0)
    series = [
        _bars(name, points(counts[name], _buckets(summaries, bucket_ms), bucket_ms), colour)
        for name, colour in COLOURS.items()
    ]
    return chart(series, bucket_ms)


def flagged_share(summaries: Timed, bucket_ms: int) -> dict[str, Any]:
    """Return a chart of the share of frames that were not accepted, in per cent."""
    frames: Counter[int] = Counter()
    flagged: Counter[int] = Counter()
    for at, summary in summaries:
        frames[at // bucket_ms] += sum(summary.verdicts.get(name, 0) for name in COLOURS)
        flagged[at // bucket_ms] += sum(summary.verdicts.get(n, 0) for n in ("review", "invalid"))
    data = [
        [bucket * bucket_ms, round(100 * flagged[bucket] / frames[bucket], 3)]
        for bucket in _buckets(summaries, bucket_ms)
        if frames[bucket]
    ]
    drawn = chart([_line("flagged", data, "#0072B2")], bucket_ms)
    drawn["legend"]["show"] = False
    drawn["grid"]["top"] = 16
    drawn["yAxis"]["axisLabel"] = {**drawn["yAxis"]["axisLabel"], "formatter": "{value} %"}
    return drawn


def reasons(summaries: Timed, bucket_ms: int) -> dict[str, Any]:
    """Return a chart of flagged frames by leading reason; rare ones are put together."""
    counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for at, summary in summaries:
        for guard, n in summary.reasons.items():
            counts[guard][at // bucket_ms] += n
    ranked = sorted(counts, key=lambda guard: -counts[guard].total())
    for guard in ranked[MOST_REASONS:]:
        counts["other"].update(counts.pop(guard))
    buckets = _buckets(summaries, bucket_ms)
    series = [
        _bars(guard, points(counts[guard], buckets, bucket_ms), colour)
        for guard, colour in zip(
            [*ranked[:MOST_REASONS], *(["other"] if len(ranked) > MOST_REASONS else [])],
            SERIES,
            strict=False,
        )
    ]
    return chart(series, bucket_ms)


def statistic(summaries: Timed, name: str, bucket_ms: int) -> dict[str, Any]:
    """Return a chart of one statistic's mean in each bucket."""
    n: Counter[int] = Counter()
    total: defaultdict[int, float] = defaultdict(float)
    for at, summary in summaries:
        if (moments := summary.statistics.get(name)) is not None and moments.n > 0:
            n[at // bucket_ms] += moments.n
            total[at // bucket_ms] += moments.n * moments.mean
    data = [[bucket * bucket_ms, total[bucket] / n[bucket]] for bucket in sorted(n)]
    drawn = chart([_line(name, data, "#0072B2")], bucket_ms)
    drawn["yAxis"]["scale"] = True
    drawn["legend"]["show"] = False
    drawn["grid"] |= {"top": 12}
    return drawn


def histogram(
    counts: Counts, references: Counts | None, edges: Sequence[float], colour: str = "#0072B2"
) -> dict[str, Any]:
    """Return a chart of a distribution in per cent: bars now, and steps as the references were.

    Parameters
    ----------
    counts, references : tuple of int
        Of the same bins; None: no reference is known.
    edges : sequence of float
        Between the bins, ascending.
    colour : str
    """
    names = [f"< {edges[0]:g}", *(f"{edge:g}" for edge in edges)]
    drawn = chart([_bars("now", [], colour)], 0)
    drawn["series"][0] |= {"data": _shares(counts), "barCategoryGap": "8%", "barMaxWidth": 60}
    if references is not None and any(references):
        steps = _line("references", [], "#D55E00") | {"step": "middle", "showSymbol": False}
        drawn["series"].append(steps | {"data": _shares(references)})
    axis = {"type": "category", "data": names, "axisLabel": drawn["xAxis"]["axisLabel"]}
    drawn["xAxis"] = axis
    drawn["yAxis"]["axisLabel"] = {**drawn["yAxis"]["axisLabel"], "formatter": "{value} %"}
    drawn["grid"] |= {"top": 30, "right": 12}
    return drawn


def _shares(counts: Counts) -> list[float]:
    total = sum(counts) or 1
    return [round(100.0 * n / total, 3) for n in counts]


def statistic_names(summaries: Timed) -> list[str]:
    """Return the statistics that occur, in the order of their names."""
    return sorted({name for _, summary in summaries for name in summary.statistics})


def points(counts: Counter[int], buckets: list[int], bucket_ms: int) -> list[list[float]]:
    """Return [time in ms, count] of each bucket."""
    return [[bucket * bucket_ms, counts[bucket]] for bucket in buckets]


def _buckets(summaries: Timed, bucket_ms: int) -> list[int]:
    return sorted({at // bucket_ms for at, _ in summaries})


def _bars(name: str, data: list[list[float]], colour: str) -> dict[str, Any]:
    series: dict[str, Any] = {
        "name": name,
        "type": "bar",
        "stack": "all",
        "barMaxWidth": 28,
        "itemStyle": {"color": colour},
        "data": data,
    }
    if DECALS.get(name, "none") != "none":
        decal = {"symbol": DECALS[name], "color": "rgba(0,0,0,0.28)", "symbolSize": 0.6}
        series["itemStyle"]["decal"] = decal
    return series


def _line(name: str, data: list[list[float]], colour: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "line",
        "showSymbol": len(data) < 60,
        "symbolSize": 6,
        "lineStyle": {"width": 2.5},
        "itemStyle": {"color": colour},
        "data": data,
    }


def chart(series: list[dict[str, Any]], bucket_ms: int) -> dict[str, Any]:
    """Return the options that all charts over time share."""
    text = {"color": "#1b2733", "fontSize": 13}
    return {
        "animation": False,
        "textStyle": text,
        "tooltip": {"trigger": "axis", "confine": True},
        "legend": {"show": True, "top": 0, "left": 0, "type": "scroll", "textStyle": text},
        "grid": {"left": 8, "right": 32, "top": 40, "bottom": 4, "containLabel": True},
        "xAxis": {
            "type": "time",
            "minInterval": bucket_ms,
            "axisLabel": {**text, "hideOverlap": True},
        },
        "yAxis": {"type": "value", "axisLabel": text, "splitLine": {"lineStyle": GRID}},
        "series": series,
    }
