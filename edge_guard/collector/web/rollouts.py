"""``/rollouts``: bundles on their way to streams, the newest first."""

from __future__ import annotations

import asyncio

from nicegui import ui

from edge_guard.collector.rollouts import Rollout
from edge_guard.collector.web.access import person
from edge_guard.collector.web.frame import Frame
from edge_guard.collector.web.marks import Mark, box, fact, link
from edge_guard.collector.web.site import Site
from edge_guard.collector.web.words import moment

MOST_SHOWN = 50


async def rollouts_page(site: Site, before: int | None) -> None:
    """Build the page.

    Parameters
    ----------
    site : Site
    before : int or None
        Only rollouts with a lower id.
    """
    rows = await asyncio.to_thread(site.rollouts.newest, MOST_SHOWN, before)
    frame = Frame(site, "rollouts")
    with frame.body:
        with box("section-top"):
            ui.label("Rollouts").classes("section-title")
            with box("pager"):
                link("Bundles", "/bundles", "button")
                if person().may("engineer"):
                    link("New rollout", "/rollouts/new", "button")
        if not rows:
            with box("empty"):
                ui.label("No bundle has been rolled out yet.").classes("empty-title")
                ui.label(
                    "A rollout brings a bundle to one stream first, then to a share, then to all, "
                    "and takes it back by itself when it does badly."
                )
        for row in rows:
            _card(row)
        if len(rows) == MOST_SHOWN:
            with box("pager"):
                link("Older", f"/rollouts?before={rows[-1].id}", "button")
    frame.follow()


def _card(row: Rollout) -> None:
    new = sum(one.progress in ("soaking", "passed", "kept") for one in row.targets)
    with box("card"):
        with box("device-top"):
            link(f"Rollout {row.id}: {row.new.bundle}", f"/rollouts/{row.id}", "stream-name")
            Mark(row.status)
        if row.why:
            ui.label(row.why).classes("rollout-why")
        with box("facts"):
            fact("started by", f"{row.who}, {moment(row.created_ms)}")
            fact("stage", row.plan.stages[row.stage].name)
            fact("streams with it", f"{new} of {len(row.targets)}")
