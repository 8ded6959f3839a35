"""``/rollouts/new``: choose a bundle, see what it changes, choose streams and pace, and start."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter

import msgspec
from nicegui import ui

from edge_guard.bundle import read_bundle
from edge_guard.collector.bundles import Held
from edge_guard.collector.rollouts import ConflictError, Order, Place, Plan, Rule, Stage, StreamName
from edge_guard.collector.web.access import allowed, person
from edge_guard.collector.web.frame import Frame
from edge_guard.collector.web.marks import box, link
from edge_guard.collector.web.site import Site
from edge_guard.collector.web.words import count
from edge_guard.difference import Difference, differences
from edge_guard.errors import BundleError, ConfigError

MOST_BOXES = 120
MOST_DIFFERENCES = 40
MINUTE_S = 60.0


async def rollout_start_page(site: Site, digest: str | None) -> None:
    """Build the page.

    Parameters
    ----------
    site : Site
    digest : str or None
        Sha-256 of the bundle to roll out; None: to be chosen.
    """
    held = await asyncio.to_thread(site.bundles.held)
    places = await asyncio.to_thread(site.rollouts.places)
    frame = Frame(site, "rollouts")
    with frame.body:
        ui.label("New rollout").classes("detail-title")
        new = next((one for one in held if one.sha256 == digest), None)
        if not person().may("engineer"):
            _nothing("Rolling out needs the role engineer.", "Ask one who has it.")
        elif not held:
            _nothing("The collector holds no bundle yet.", "Upload one first.")
        elif new is None:
            _choose(held)
        else:
            await _Form(site, held, new, places, str(ui.context.client.request.base_url)).build()
    frame.follow()


def _nothing(title: str, words: str) -> None:
    with box("empty"):
        ui.label(title).classes("empty-title")
        ui.label(words)
        link("Bundles", "/bundles")


def _choose(held: list[Held]) -> None:
    ui.label("Which bundle?").classes("section-title")
    for one in held:
        link(one.bundle, f"/rollouts/new?bundle={one.sha256}", "button bundle-choice")


class _Form:
    """The choices of one rollout."""

    def __init__(
        self, site: Site, held: list[Held], new: Held, places: list[Place], base_url: str
    ) -> None:
        self._site, self._new, self._base_url = site, new, base_url
        self._name = uuid.uuid4().hex  # pressing twice starts one rollout
        self._held = {one.bundle: one for one in held}
        self._places = [place for place in places if place.bundle != new.bundle]
        self._boxes: dict[tuple[int, str], ui.checkbox] = {}

    async def build(self) -> None:
        """Show what is to be chosen."""
        runs = Counter(place.bundle for place in self._places)
        usual = next((bundle for bundle, _ in runs.most_common() if bundle in self._held), "")
        with box("card"):
            ui.label(self._new.bundle).classes("card-title bundle-name")
            await self._differences(usual)
        if not self._places:
            _nothing("No stream runs another bundle.", "Devices tell of their streams themselves.")
            return
        with box("card"):
            ui.label("Streams").classes("card-title")
            self._streams(usual)
        with box("card"):
            ui.label("Pace").classes("card-title")
            self._pace()
        ui.button("Start the rollout", on_click=self._start).props("no-caps").classes(
            "rollout-start"
        )
        self._said = ui.label().classes("ordering-said").props("role=alert")

    async def _differences(self, usual: str) -> None:
        if not usual:
            ui.label("The collector holds no bundle that streams run now: nothing to compare with.")
            return
        found = await asyncio.to_thread(self._compare, usual)
        ui.label(f"What it changes against {usual}:").classes("quiet")
        with box("rollout-differences"):
            for part, words in found[:MOST_DIFFERENCES]:
                with box("line"):
                    ui.label(part).classes("line-name")
                    ui.label(words).classes("line-value")
        if not found:
            ui.label("Both hold the same.")

    def _compare(self, usual: str) -> list[Difference]:
        paths = [self._site.bundles.path(one.sha256) for one in (self._held[usual], self._new)]
        try:
            old, new = (read_bundle(path) for path in paths if path is not None)
        except (BundleError, ValueError) as error:
            return [Difference("files", f"they cannot be compared ({error})")]
        return differences(old, new)

    def _streams(self, usual: str) -> None:
        """One box a stream; those that run the bundle that most run are chosen."""
        if len(self._places) > MOST_BOXES:
            ui.label(
                f"{count(len(self._places))} streams run another bundle; all that run {usual} are "
                "chosen. For a smaller part, use POST /api/rollouts with site, line or device."
            )
            return
        with box("rollout-boxes"):
            for place in self._places:
                words = f"{place.site} · {place.line} · {place.words}, runs {place.bundle}"
                words += ", offline now" if place.offline else ""
                chosen = ui.checkbox(words, value=place.bundle == usual)
                self._boxes[place.device_id, place.stream] = chosen

    def _pace(self) -> None:
        usual = Plan()
        letters = "outlined dense"
        with box("rollout-pace"):
            canary = usual.stages[0]
            self._minutes = ui.number(
                "minutes each stage", value=canary.soak_s / MINUTE_S, min=0, step=1
            ).props(letters)
            self._frames = ui.number(
                "frames each stream", value=canary.frames, min=0, step=50
            ).props(letters)
            self._share = ui.number(
                "second stage, % of the streams", value=100 * usual.stages[1].share, min=1, max=99
            ).props(letters)
            self._rise = ui.number(
                "times as many flags allowed", value=usual.rule.rise, min=1, step=0.5
            ).props(letters)
            self._alarms = ui.input(
                "new alarms that count against it", value=", ".join(usual.rule.alarms)
            ).props(letters)
            self._other = ui.checkbox("may be for another model")
        ui.label(
            "First one stream, then the share, then all. A refusal, a failed self-test, a new "
            "alarm, a silent device or a rise of flags returns every stream by itself; flags that "
            f"have not risen do so in at most {100 * usual.rule.false_stop:g} % of all rollouts."
        ).classes("quiet")

    def _order(self) -> Order:
        soak, frames = MINUTE_S * float(self._minutes.value or 0), int(self._frames.value or 0)
        share = float(self._share.value or 25) / 100
        stages = tuple(
            Stage(name=name, share=part, soak_s=soak, frames=frames)
            for name, part in (("canary", 0.0), ("share", share), ("all", 1.0))
        )
        chosen = tuple(StreamName(*key) for key, one in self._boxes.items() if one.value)
        alarms = tuple(name.strip() for name in (self._alarms.value or "").split(","))
        rule = Rule(rise=float(self._rise.value or 1), alarms=tuple(filter(None, alarms)))
        return Order(
            id=self._name,
            sha256=self._new.sha256,
            streams=chosen if self._boxes else None,
            running=None if self._boxes else self._usual_running(),
            other_model=bool(self._other.value),
            plan=Plan(stages=stages, rule=rule),
        )

    def _usual_running(self) -> str:
        return Counter(place.bundle for place in self._places).most_common(1)[0][0]

    async def _start(self) -> None:
        if (who := allowed("engineer")) is None:
            return
        begin = self._site.rollouts.start
        try:
            order = msgspec.convert(msgspec.to_builtins(self._order()), Order)  # within its limits
            rollout = await asyncio.to_thread(begin, order, who, f"{self._base_url}api/")
        except (BundleError, ConfigError, ConflictError, msgspec.ValidationError) as error:
            self._name = uuid.uuid4().hex
            self._said.set_text(f"It is not started: {error}.")
            return
        ui.navigate.to(f"/rollouts/{rollout.id}")
