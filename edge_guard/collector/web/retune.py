"""``/retune/{device}/{stream}``: what labels make of a stream's bundle, and a new one from them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from urllib.parse import quote

from nicegui import ui

from edge_guard.collector.queries import DeviceRow
from edge_guard.collector.retunes.desk import Retune, TakenError, UnknownStreamError
from edge_guard.collector.retunes.work import Parent
from edge_guard.collector.web.access import allowed, person
from edge_guard.collector.web.frame import Frame
from edge_guard.collector.web.marks import Mark, box, link
from edge_guard.collector.web.retune_dials import Dials
from edge_guard.collector.web.risk_chart import risk_coverage
from edge_guard.collector.web.site import Site
from edge_guard.errors import EdgeGuardError
from edge_guard.retune.outcome import Outcome
from edge_guard.retune.settings import Wishes
from edge_guard.retune.words import certified_in_words, consequence, labels_in_words

FOLLOW_S = 1.0
_SHOWN = 10


async def retune_page(site: Site, device_id: int, stream: str) -> None:
    """Build the page.

    Parameters
    ----------
    site : Site
    device_id : int
    stream : str
    """
    devices = await asyncio.to_thread(site.queries.devices, [device_id])
    parent = await asyncio.to_thread(site.retunes.parent, device_id, stream)
    frame = Frame(site)
    with frame.body:
        if not devices or parent is None:
            with box("empty"):
                ui.label("There is no such stream.").classes("empty-title")
                link("the plant", "/")
        else:
            page = _Page(site, devices[0], stream, parent)
            page.build()
            ui.timer(0.0, page.refresh, once=True)  # a page must be there before long work begins
            ui.timer(FOLLOW_S, page.follow)
    frame.follow()


class _Page:
    """The page of one stream; its dials are the visitor's own."""

    def __init__(self, site: Site, device: DeviceRow, stream: str, parent: Parent) -> None:
        self._site, self._device, self._stream, self._parent = site, device, stream, parent
        self._listed: list[Retune] | None = None
        self._asked = 0

    def build(self) -> None:
        place = f"/stream/{self._device.id}/{quote(self._stream, safe='')}"
        with box("section-top"), box("stream-title"):
            ui.label(f"Retune {self._stream}").classes("detail-title")
            words = f"{self._device.device} · {self._device.site} · {self._device.line}"
            ui.label(words).classes("device-place")
        link("the stream", place)
        ui.label(_parent_in_words(self._parent)).classes("retune-parent")
        with box("retune"):
            with box("card retune-found"):
                ui.label("Wrong among the accepted, by how much is accepted").classes("card-title")
                self._chart = ui.html(sanitize=False).classes("retune-chart")
                self._labels = ui.label().classes("quiet")
                self._now = ui.label().classes("retune-words")
                self._then = ui.label().classes("retune-words")
            with box("card retune-dials"):
                ui.label("What you want").classes("card-title")
                self._dials = Dials(self.refresh)
                with box("retune-verdict"):
                    self._mark = Mark("waiting")
                    self._words = ui.label().classes("retune-words")
                self._button = ui.button("make a new bundle", on_click=self._make)
                self._button.props("no-caps unelevated")
        ui.label("Retunes of this stream").classes("section-title")
        self._list = box("retune-list")

    async def refresh(self) -> None:
        """Show what the labels say to the dials as they are."""
        self._asked += 1
        asked, wishes = self._asked, self._dials.wishes(person().name)
        self._button.disable()
        if isinstance(wishes, str) or not self._parent.sha256:
            self._refuse(wishes if isinstance(wishes, str) else "its bundle is not stored here")
            return
        try:
            sight = await asyncio.to_thread(
                self._site.retunes.look,
                self._device.id,
                self._stream,
                self._parent.sha256,
                wishes,
            )
        except EdgeGuardError as error:
            if asked == self._asked:
                self._refuse(str(error))
            return
        if asked == self._asked:  # nobody has turned a dial meanwhile
            self._labels.set_text(labels_in_words(sight.frames))
            self._show(sight.outcome, wishes)

    async def follow(self) -> None:
        """Show what has become of retunes."""
        find = self._site.retunes.desk.newest
        found = await asyncio.to_thread(find, _SHOWN, self._device.id, self._stream)
        if found == self._listed:
            return
        self._listed = found
        self._list.clear()
        with self._list:
            for one in found:
                _row(one)
            if not found:
                ui.label("None yet.").classes("quiet")

    def _show(self, outcome: Outcome, wishes: Wishes) -> None:
        per_shift = self._dials.frames_per_shift
        self._chart.set_content(
            risk_coverage(outcome.points, wishes.max_error, outcome.now, outcome.then)
        )
        self._now.set_text(f"Now: {consequence(outcome.now, per_shift, wishes)}.")
        then = "" if outcome.then is None else consequence(outcome.then, per_shift, wishes)
        self._then.set_text(f"Then: {then}." if then else "")
        self._mark.show("waiting" if outcome.then is None else "certified")
        self._words.set_text(certified_in_words(outcome, wishes))
        self._button.set_enabled(outcome.then is not None)

    def _refuse(self, words: str) -> None:
        self._mark.show("refused")
        self._words.set_text(words)

    async def _make(self) -> None:
        who = allowed("engineer")
        wishes = None if who is None else self._dials.wishes(who.name)
        if who is None or wishes is None or isinstance(wishes, str):
            return
        newest = self._listed[0].id if self._listed else 0
        self._button.disable()
        try:
            await asyncio.to_thread(
                self._site.retunes.start,
                self._device.id,
                self._stream,
                self._parent.sha256,
                wishes,
                who,
                newest,
            )
        except (TakenError, UnknownStreamError, EdgeGuardError) as error:
            ui.notify(str(error), type="warning", timeout=0, close_button="close")
        await self.follow()
        await self.refresh()


def _row(one: Retune) -> None:
    with box("retune-row"):
        Mark(one.state)
        when = datetime.fromtimestamp(one.started_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
        ui.label(f"{one.who}, {when}").classes("time")
        with box("retune-told"):
            ui.label(one.bundle or f"from {one.parent}").classes("retune-bundle")
            ui.label(one.told or "under way …").classes("quiet")
        if one.sha256:
            link("roll it out", f"/rollouts/new?bundle={one.sha256}", "button")
            link("download", f"/api/bundles/{one.sha256}", "button")


def _parent_in_words(parent: Parent) -> str:
    if not parent.sha256:
        return (
            f"This stream runs {parent.bundle}, which is not in this collector's store: upload "
            "that file first (POST /api/bundles)."
        )
    words = f"This stream runs {parent.bundle}."
    if parent.signed:
        words += (
            " It is signed; a new bundle from here is not: download it, sign it with 'edge-guard "
            "bundle sign' where the key is, and upload it again."
        )
    return words
