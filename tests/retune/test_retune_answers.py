"""Answers on the page of a retune come in any order; the newest question decides."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from lines import line

pytest.importorskip("nicegui", reason="the page is the collector's")
from nicegui import Client, ui
from nicegui.page import page as ui_page

from edge_guard.bundle import read_bundle
from edge_guard.collector.people import Person
from edge_guard.collector.retunes.work import Parent, Sight
from edge_guard.collector.web import retune
from edge_guard.errors import ConfigError, GuaranteeError
from edge_guard.retune.outcome import settle
from edge_guard.retune.settings import Wishes

PARENT = read_bundle(Path(__file__).parents[2] / "models" / "demo_line.guard")


class Looks:
    """Looks at real labels; a question about 80 % takes until it is released, and is refused."""

    def __init__(self, n: int) -> None:
        frames = line(n, np.random.default_rng(1), floor=0.0)
        self.frames = replace(frames, wrong=np.zeros(n, bool))
        self.asked, self.released = threading.Event(), threading.Event()
        self.desk = SimpleNamespace(newest=lambda *_: [])

    def look(self, device: int, stream: str, digest: str, wishes: Wishes) -> Sight:
        if wishes.target == 0.8:
            self.asked.set()
            assert self.released.wait(20)
            raise GuaranteeError("a slow refusal", "ask for something else")
        return Sight(self.frames, settle(PARENT, self.frames, wishes))

    def start(self, *_: object) -> None:
        raise ConfigError("the bundle is not stored", "upload it first")


def built(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> retune._Page:
    ada = Person("Ada", "engineer")
    monkeypatch.setattr(retune, "person", lambda: ada)
    monkeypatch.setattr(retune, "allowed", lambda _: ada)
    site = SimpleNamespace(retunes=looks)
    device = SimpleNamespace(id=1, device="cam", site="s", line="l")
    made = retune._Page(site, device, "top", Parent(PARENT.id, "a" * 64, False))  # type: ignore[arg-type]
    made.build()
    return made


def turned(page: retune._Page, target: float) -> None:
    wishes = Wishes(target=target)
    page._dials = SimpleNamespace(wishes=lambda _: wishes, frames_per_shift=1000.0)  # type: ignore[assignment]


def test_a_slow_refusal_does_not_overwrite_a_newer_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    async def visit() -> None:
        looks = Looks(1500)
        with Client(ui_page("/retune"), request=None):
            page = built(looks, monkeypatch)
            turned(page, 0.8)
            slow = asyncio.create_task(page.refresh())
            assert await asyncio.to_thread(looks.asked.wait, 20)
            turned(page, 0.99)
            await page.refresh()
            assert page._words.text.startswith("certified: at most 1.00%")
            looks.released.set()
            await slow
            assert page._words.text.startswith("certified: at most 1.00%")
            assert page._button.enabled

    asyncio.run(visit())


@pytest.mark.parametrize(("n", "enabled"), [(1500, True), (30, False)])
def test_after_a_retune_the_button_is_there_only_where_something_is_certified(
    n: int, enabled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def visit() -> None:
        with Client(ui_page("/retune"), request=None):
            page = built(Looks(n), monkeypatch)
            told: list[str] = []
            monkeypatch.setattr(ui, "notify", lambda words, **_: told.append(words))
            await page._make()
            assert told == ["the bundle is not stored: upload it first"]
            assert page._button.enabled is enabled

    asyncio.run(visit())
