"""``/rollouts/{number}``: one rollout as it goes, stream by stream, and the buttons to steer it."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import quote

from nicegui import ui

from edge_guard.collector.rollouts import (
    Act,
    ConflictError,
    NotNowError,
    Rollout,
    Target,
    UnknownRolloutError,
    wanted,
)
from edge_guard.collector.web.access import allowed, person
from edge_guard.collector.web.frame import Frame
from edge_guard.collector.web.marks import Mark, box, fact, link
from edge_guard.collector.web.site import Site
from edge_guard.collector.web.words import count, moment, percent

LOOK_S = 1.0
MOST_SHOWN = 300
NOT_REACHED = "not reached"
_BUTTONS: tuple[tuple[Act, str, tuple[str, ...]], ...] = (
    ("pause", "Pause", ("running",)),
    ("resume", "Resume", ("paused",)),
    ("return", "Return all to the bundle before", ("running", "paused", "done", "aborted")),
    ("abort", "Abort, leave all as they are", ("running", "paused", "returning")),
)


async def rollout_page(site: Site, number: int) -> None:
    """Build the page.

    Parameters
    ----------
    site : Site
    number : int
        The rollout's.
    """
    frame = Frame(site, "rollouts")
    try:
        rollout = await asyncio.to_thread(site.rollouts.get, number)
    except UnknownRolloutError:
        with frame.body, box("empty"):
            ui.label(f"There is no rollout {number}.").classes("empty-title")
            link("all rollouts", "/rollouts")
        frame.follow()
        return
    with frame.body:
        page = _Page(site, rollout)
    frame.follow()
    ui.timer(LOOK_S, page.look)


class _Page:
    def __init__(self, site: Site, rollout: Rollout) -> None:
        self._site = site
        self._rollout = rollout
        with box("section-top"):
            ui.label(f"Rollout {rollout.id}").classes("detail-title")
            link("All rollouts", "/rollouts", "button")
        with box("card rollout-head"):
            with box("device-top"):
                ui.label(rollout.new.bundle).classes("card-title bundle-name")
                self._mark = Mark(rollout.status)
            self._why = ui.label().classes("rollout-why").props("role=status")
            self._stages = box("rollout-stages")
            with box("facts"):
                fact("started by", f"{rollout.who}, {moment(rollout.created_ms)}")
                self._since = fact("so since", "")
                self._reach = fact("streams with it", "")
            self._buttons = box("alarm-buttons")
            self._said = ui.label().classes("ordering-said").props("role=status")
        ui.label("Streams").classes("section-title")
        self._list = box("card rollout-streams")
        self._rows: dict[int, _Row] = {}
        with self._list:
            for target in rollout.targets[:MOST_SHOWN]:
                self._rows[target.id] = _Row(target)
        if (more := len(rollout.targets) - MOST_SHOWN) > 0:
            ui.label(f"and {count(more)} more streams, see /api/rollouts/{rollout.id}")
        self._show(rollout)

    async def look(self) -> None:
        """Follow the rollout."""
        fresh = await asyncio.to_thread(self._site.rollouts.get, self._rollout.id)
        if fresh.version != self._rollout.version:
            self._show(fresh)
        for row in self._rows.values():
            row.tick(fresh)

    def _show(self, rollout: Rollout) -> None:
        self._rollout = rollout
        self._mark.show(rollout.status)
        self._why.set_text(rollout.why)
        self._why.set_visibility(bool(rollout.why))
        self._since.set_text(moment(rollout.since_ms))
        new = sum(one.progress in ("soaking", "passed", "kept") for one in rollout.targets)
        self._reach.set_text(f"{count(new)} of {count(len(rollout.targets))}")
        self._stages.clear()
        with self._stages:
            _stages(rollout)
        self._buttons.clear()
        if person().may("engineer"):
            with self._buttons:
                for act, words, fitting in _BUTTONS:
                    if rollout.status in fitting:
                        _button(words, act, self._act)
        for target in rollout.targets[:MOST_SHOWN]:
            self._rows[target.id].show(target)
        for row in self._rows.values():
            row.tick(rollout)

    async def _act(self, act: Act) -> None:
        if (who := allowed("engineer")) is None:
            return
        try:
            fresh = await asyncio.to_thread(self._site.rollouts.act, self._rollout.id, act, who)
        except (NotNowError, ConflictError) as error:
            self._said.set_text(f"{error}.")
            return
        self._said.set_text("")
        self._show(fresh)


def _button(words: str, act: Act, do: object) -> None:
    async def pressed() -> None:
        await do(act)  # type: ignore[operator]

    ui.button(words, on_click=pressed).props("no-caps outline dense")


def _stages(rollout: Rollout) -> None:
    for position, stage in enumerate(rollout.plan.stages):
        word = _stage_word(rollout, position)
        with box("rollout-stage"):
            Mark(word)
            reach = count(wanted(rollout, position))
            ui.label(f"{stage.name}: {reach}").classes("rollout-stage-name")
            ui.label(f"{stage.soak_s:g} s and {count(stage.frames)} frames each").classes("quiet")


def _stage_word(rollout: Rollout, position: int) -> str:
    if position < rollout.stage or rollout.status == "done":
        return "passed"
    if position > rollout.stage:
        return "waiting" if rollout.active else NOT_REACHED
    return "soaking" if rollout.status == "running" else rollout.status


class _Row:
    """One stream within the list."""

    def __init__(self, target: Target) -> None:
        self._target = target
        with box("rollout-stream"):
            link(
                target.place,
                f"/stream/{target.device_id}/{quote(target.stream, safe='')}",
                "stream-name",
            )
            self._mark = Mark(target.progress)
            self._rates = ui.label().classes("rollout-rates")
            self._left = ui.label().classes("quiet")
            self._why = ui.label().classes("rollout-why")

    def show(self, target: Target) -> None:
        """Take up a change."""
        self._target = target
        self._mark.show(target.progress)
        self._why.set_text(target.why)
        self._why.set_visibility(bool(target.why))
        self._rates.set_text(_rates(target))

    def tick(self, rollout: Rollout) -> None:
        """Say what is missing until it has passed, and what no longer comes."""
        words = ""
        if self._target.progress == "waiting" and not rollout.active:
            self._mark.show(NOT_REACHED)
        if self._target.progress == "soaking":
            stage = rollout.plan.stages[rollout.stage]
            left_s = stage.soak_s - (time.time() - self._target.since_ms / 1000)
            frames = stage.frames - self._target.frames
            parts = [f"{left_s:.0f} s"] if left_s > 0 else []
            parts += [f"{count(frames)} frames"] if frames > 0 else []
            words = f"{' and '.join(parts)} to go" if parts else ""
        self._left.set_text(words)


def _rates(target: Target) -> str:
    before = target.before
    was = f"{percent(before.rate)} of {count(before.frames)} before" if before.frames else ""
    if target.frames:
        now = f"flagged {percent(target.flagged / target.frames)} of {count(target.frames)} frames"
        return f"{now}, {was}" if was else now
    return f"flagged {was}" if was else ""
