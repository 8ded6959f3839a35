"""Monitors of several products on one stream: each sees its own frames, and rests meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fixed_camera import fitted, judged, picture

from edge_guard.changeover import order_product
from edge_guard.config import ProductTable, StreamTable
from edge_guard.drift.model import DriftModel
from edge_guard.duty import NoProduct
from edge_guard.gate.gate import Measurement, Meter
from edge_guard.lineup import Lineup
from edge_guard.publish.messages import Alarm, Topics, decode
from edge_guard.publish.outbox import Outbox
from edge_guard.reporting import Reporter
from edge_guard.types import Frame, Image

KINDS = ("round", "square")


class Watched(NoProduct):
    """A guard that only has monitors."""

    def __init__(self, name: str, model: DriftModel) -> None:
        self.bundle_id = name
        self.drift = model


def shots(n: int, seed: int, product: str, light: float = 0.0) -> list[Image]:
    rng = np.random.default_rng(seed)
    return [picture(rng, light, product) for _ in range(n)]


@pytest.fixture(scope="module")
def models() -> dict[str, DriftModel]:
    return {kind: fitted(shots(200, 7, kind)) for kind in KINDS}


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    opened = Outbox(tmp_path / "spool", 10_000_000, "device", Topics("site", "line", "device"))
    yield opened
    opened.spool.close()


class Line:
    """A stream that shows two products, in turn."""

    def __init__(self, outbox: Outbox, models: dict[str, DriftModel], spool: Path) -> None:
        tables = tuple(ProductTable(name=kind, bundle="x.guard") for kind in KINDS)
        self.table = StreamTable(name="top", source="x", product=tables)
        self.reporter = Reporter(outbox, self.table, "x")
        guards = {kind: Watched(kind, models[kind]) for kind in KINDS}
        self.lineup = Lineup(self.table, guards, self.reporter, spool)
        self._outbox, self._spool = outbox, spool
        self._meter, self.number = Meter(), 0

    def show(self, images: list[Image]) -> None:
        rng = np.random.default_rng(self.number)
        for image in images:
            seen: Measurement = self._meter.measure(image)
            frame = Frame("top", self.number, image, monotonic_ns=0)
            duty = self.lineup.take(frame)
            assert duty.watch is not None
            duty.watch.take(frame, judged(rng), seen)
            self.number += 1

    def change(self, product: str) -> None:
        order_product(self.table, self._spool, product)

    def status(self, product: str) -> str:
        watch = self.lineup._work.duties[product].watch
        assert watch is not None
        return watch.status

    def alarms(self) -> list[Alarm]:
        return [decode(payload, Alarm) for payload in self._outbox.spool.alarms()]


def test_a_product_that_comes_back_is_watched_on_without_settling_or_a_false_alarm(
    outbox: Outbox, models: dict[str, DriftModel], tmp_path: Path
) -> None:
    line = Line(outbox, models, tmp_path)
    for turn in range(9):  # so that each product settles in, on frames of its own
        for kind in KINDS:
            line.change(kind)
            line.show(shots(60, 100 + 2 * turn + KINDS.index(kind), kind))
    assert line.alarms() == []
    assert [line.status(kind) for kind in KINDS] == ["watching", "watching"]
    for kind in KINDS:  # and what it knew, it knows after the changeover, too
        history = line.lineup._work.duties[kind].watch._monitor._history  # type: ignore[union-attr]
        assert history.frames == 9 * 60


def test_the_wrong_product_is_drift_so_that_the_test_above_could_fail(
    outbox: Outbox, models: dict[str, DriftModel], tmp_path: Path
) -> None:
    line = Line(outbox, models, tmp_path)
    line.show(shots(60, 1, "round"))
    line.show(shots(60, 2, "square"))  # and nobody has said so
    assert [(a.alarm, a.state) for a in line.alarms()] == [("drift", "raised")]


def test_one_products_change_stays_raised_while_the_other_is_fine(
    outbox: Outbox, models: dict[str, DriftModel], tmp_path: Path
) -> None:
    line = Line(outbox, models, tmp_path)
    line.show(shots(40, 1, "round"))
    line.show(shots(40, 2, "round", light=4))
    (alarm,) = line.alarms()
    assert alarm.state == "raised" and alarm.message.startswith("product round: ")
    line.change("square")
    line.show(shots(80, 3, "square"))
    assert line.alarms()[0].state == "raised"
    line.show(shots(40, 4, "square", light=-9))
    (alarm,) = line.alarms()
    assert alarm.message.startswith("product square: ") and "less light" in alarm.message
    line.show(shots(90, 5, "square"))
    (alarm,) = line.alarms()  # the other one's lasts, and says so
    assert alarm.state == "raised" and alarm.message.startswith("product round: ")
    line.change("round")
    line.show(shots(120, 6, "round"))
    (alarm,) = line.alarms()
    assert alarm.state == "cleared" and alarm.message.startswith("product round: over: ")


def test_a_restart_goes_on_with_each_products_monitors_and_the_alarm(
    outbox: Outbox, models: dict[str, DriftModel], tmp_path: Path
) -> None:
    line = Line(outbox, models, tmp_path)
    line.show(shots(40, 1, "round"))
    line.show(shots(40, 2, "round", light=4))
    line.lineup.post_summaries(0, {}, 0.0)
    (raised,) = line.alarms()
    again = Line(outbox, models, tmp_path)
    again.reporter.adopt(raised)
    again.number = line.number
    again.change("square")
    again.show(shots(30, 3, "square"))  # its monitors begin anew, which clears nobody else's alarm
    assert again.alarms()[0].state == "raised"
    assert again.status("round") == "a change lasts"


def test_a_bundle_without_monitors_leaves_no_alarm_standing(
    outbox: Outbox, models: dict[str, DriftModel], tmp_path: Path
) -> None:
    line = Line(outbox, models, tmp_path)
    line.show(shots(40, 1, "round"))
    line.show(shots(40, 2, "round", light=4))
    line.lineup._work.duties["round"].watch._voice.alarm("monitors", True, "blind", "dark")  # type: ignore[union-attr]
    assert {a.alarm for a in line.alarms() if a.state == "raised"} == {"drift", "monitors"}
    guards = {"round": NoProduct(), "square": line.lineup.guards["square"]}
    line.lineup.adopt(line.table, guards)
    assert {a.alarm: a.state for a in line.alarms()} == {"drift": "cleared", "monitors": "cleared"}
