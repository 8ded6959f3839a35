"""Score distributions of one stream beside the references'."""

from __future__ import annotations

from dataclasses import dataclass

from nicegui import ui

from edge_guard.collector.web import charts
from edge_guard.collector.web.marks import box
from edge_guard.drift.histogram import DEVIATION, Counts, distances, edges_of
from edge_guard.drift.merge import Merged

FIRST = ("p_value", "confidence", f"{DEVIATION}unlike")
"""Shown before others, which follow by how far they are from their references."""
MOST = 6
_EVEN = "p_value"
"""Of frames like the references it is spread evenly, by its making."""


@dataclass(frozen=True, slots=True)
class Spread:
    """One distribution.

    Attributes
    ----------
    name : str
        For people.
    counts : tuple of int
    references : tuple of int or None
        None: the device has told none.
    edges : tuple of float
    words : str
        How they differ.
    """

    name: str
    counts: Counts
    references: Counts | None
    edges: tuple[float, ...]
    words: str


class ScoresPart:
    """The charts; built anew when other distributions are to be shown."""

    def __init__(self) -> None:
        with box("section-top") as self._top:
            ui.label("Scores against the references").classes("section-title")
        self._grid = box("charts is-small")
        self._shown: list[Spread] = []

    def show(self, summaries: charts.Timed) -> None:
        """Show what is known now."""
        found = spreads(summaries)
        self._top.set_visibility(bool(found))
        if found == self._shown:
            return
        self._shown = found
        self._grid.clear()
        with self._grid:
            for one in found:
                with box("card chart-card"):
                    ui.label(one.name).classes("card-title")
                    options = charts.histogram(one.counts, one.references, one.edges)
                    ui.echart(options, renderer="svg").classes("chart is-small")
                    ui.label(one.words).classes("quiet")


def spreads(summaries: charts.Timed) -> list[Spread]:
    """Return the distributions of the newest bundle that are shown, in their order."""
    if not summaries:
        return []
    bundle = summaries[-1][1].bundle
    merged, told = Merged(bundle), dict[str, Counts]()
    for _, summary in summaries:
        if merged.add(summary) and summary.references:
            told = dict(summary.references)
    found = []
    for name, counts in merged.histograms().items():
        edges = edges_of(name)
        references = _references(name, told, len(counts))
        apart = distances(references, counts, edges) if references else None
        far = apart.wasserstein if apart is not None else 0.0
        words = "no reference is known"
        if apart is not None:
            differs = apart.ks > apart.ks_chance
            words = f"{'differs' if differs else 'as usual'}: KS {apart.ks:.2f}, W {far:.2f}"
        rank = FIRST.index(name) if name in FIRST else len(FIRST)
        title = name.removeprefix(DEVIATION).replace("p_value", "p-value")
        unit = ", standard deviations" if name.startswith(DEVIATION) else ""
        found.append((rank, -far, Spread(title + unit, counts, references, edges, words)))
    return [spread for _, _, spread in sorted(found, key=lambda one: one[:2])[:MOST]]


def _references(name: str, told: dict[str, Counts], bins: int) -> Counts | None:
    if name == _EVEN:
        return (1000,) * bins
    counts = told.get(name, ())
    usable = len(counts) == bins and min(counts) >= 0 and max(counts) > 0
    return counts if usable else None
