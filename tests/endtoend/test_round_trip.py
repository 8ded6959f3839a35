"""The control room's round trip on the demo, in a real browser: from the alarm to the rollout.

Sign in, see the changed light's alarm, review twenty frames by keyboard, retune, roll the new
bundle out and watch it succeed; then one that fails its self-test, which changes nothing.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from brokers import free_port
from browser import Browser
from offers import Made, blind

from edge_guard.collector.people.house import opened
from edge_guard.config import load_collector_config
from edge_guard.demo.assets import assets
from edge_guard.demo.play import play
from edge_guard.demo.world import STREAM, World, build

NAME, PASSWORD = "ada", "correct horse battery staple"
DESK = "document.querySelector('.desk-main')"
SPEED = "frames_per_second = 25.0"


class Room:
    """What a person sees and does."""

    def __init__(self, world: World, browser: Browser) -> None:
        self._url, self.browser = world.page, browser

    def open(self, path: str) -> None:
        self.browser.open(self._url + path)
        self.browser.wait("window.did_handshake === true")

    def sign_in(self) -> None:
        self.browser.command("Page.navigate", url=f"{self._url}/")
        self.browser.wait("!!document.querySelector('input[name=password]')")
        for field, value in (("name", NAME), ("password", PASSWORD)):
            script = f"document.querySelector('input[name={field}]').value = {json.dumps(value)}"
            self.browser.evaluate(script)
        self.browser.evaluate("document.querySelector('form').requestSubmit()")
        self.see("Sign out")

    def see(self, *words: str, seconds: float = 15.0) -> None:
        here = " && ".join(f"document.body.innerText.includes({json.dumps(one)})" for one in words)
        self.browser.wait(f"!!document.body && {here}", seconds)

    def press(self, words: str) -> None:
        """Press a button or follow a link once it can be."""
        found = (
            "[...document.querySelectorAll('button, a')]"
            f".find(b => b.innerText.trim() === {json.dumps(words)} && !b.disabled)"
        )
        self.browser.wait(f"!!{found}", 30)
        self.browser.evaluate(f"{found}.click()")

    def fill(self, label: str, value: str) -> None:
        """Type into the field with a label, as the page hears it of a person."""
        self.browser.evaluate(
            "(() => { const i = [...document.querySelectorAll('.q-field')]"
            f".find(f => f.innerText.includes({json.dumps(label)})).querySelector('input');"
            " Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set"
            f".call(i, {json.dumps(value)});"
            " for (const e of ['input', 'change']) i.dispatchEvent(new Event(e, {bubbles: true}));"
            " })()"
        )

    def answer(self, key: str) -> None:
        """Answer the frame that is shown with one key, and wait for the next one."""
        self.browser.wait(f"{DESK}?.dataset.shown === 'true'")
        item = self.browser.evaluate(f"{DESK}.dataset.item")
        for kind in ("keyDown", "keyUp"):
            self.browser.command(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                text=key,
                windowsVirtualKeyCode=ord(key.upper()),
            )
        self.browser.wait(f"{DESK}?.dataset.item !== '{item}'")

    def audited(self, address: str, frames: int) -> None:
        """Open the page of a retune once so many frames were drawn at random."""
        drawn = "Number((document.body.innerText.match(/(\\d+) frames were drawn/) || [0, 0])[1])"
        deadline = time.monotonic() + 60
        while True:
            self.open(address)
            self.see("frames were drawn")
            if self.browser.evaluate(drawn) >= frames:
                return
            assert time.monotonic() < deadline

    def upload(self, made: Made) -> None:
        self.open("/bundles")
        root = self.browser.command("DOM.getDocument")["root"]["nodeId"]
        found = self.browser.command("DOM.querySelector", nodeId=root, selector="input[type=file]")
        files = [str(made.path)]
        self.browser.command("DOM.setFileInputFiles", nodeId=found["nodeId"], files=files)
        self.see(made.bundle)

    def start(self) -> None:
        """Start the rollout that the page offers, at a quick pace."""
        self.see("What it changes against")
        self.browser.wait("window.did_handshake === true")
        self.fill("minutes each stage", "0")
        self.fill("frames each stream", "20")
        self.fill("new alarms that count against it", "self-test, watchdog")
        self.press("Start the rollout")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    files = assets()
    world = build(tmp_path, files, free_port())
    usual = f"frames_per_second = {files.script.frames_per_second}"
    told = world.device.read_text().replace(usual, SPEED)
    world.device.write_text(told.replace("audit_per_hour = 360", "audit_per_hour = 3600"))
    with opened(load_collector_config(world.collector)) as keepers:
        keepers.roster.add(NAME, "engineer", PASSWORD, "test")
    up, over = threading.Event(), threading.Event()

    def pause(seconds: float) -> None:
        if over.wait(seconds):
            raise KeyboardInterrupt

    demo = threading.Thread(
        target=play, args=(world, files.script, None, up.set, lambda done: None, pause)
    )
    demo.start()
    try:
        assert up.wait(60)
        yield world
    finally:
        over.set()
        demo.join()


def test_from_the_alarm_to_the_rollout(world: World, tmp_path: Path) -> None:
    with Browser(tmp_path / "profile", 1280, 900) as browser:
        room = Room(world, browser)
        room.sign_in()
        room.see("illumination: more light", seconds=40)
        room.open("/review?reason=")  # drawn at random and accepted: they can certify something
        for key in "y" * 14:
            room.answer(key)
        room.open("/review")
        for key in "y" * 6:
            room.answer(key)
        room.audited(f"/retune/1/{STREAM}", frames=34)  # weighing references takes 30
        browser.evaluate("document.querySelector('.q-checkbox').click()")
        room.fill("right among the accepted, %", "60")
        room.fill("with confidence, %", "60")
        room.press("make a new bundle")
        room.press("roll it out")
        room.start()
        room.see("Rollout 1", "1 of 1 streams run it", seconds=40)
        bad = blind(tmp_path)
        room.upload(bad)
        room.open(f"/rollouts/new?bundle={bad.sha256}")
        room.start()
        room.see("Rollout 2", "returned", "its self-test failed", "refused", seconds=40)
        room.open("/trail")
        room.see("rollout.start", "rollout.returned", NAME)
        assert browser.complaints == []
