"""Broker, collector and browser together, and what a person does at the page."""

from __future__ import annotations

from brokers import Listener
from browser import Browser
from resender import wait_until
from running import Running


class Plant:
    """Broker, collector and browser, running."""

    def __init__(self, collector: Running, sender: Listener, browser: Browser) -> None:
        self.collector = collector
        self.sender = sender
        self.browser = browser

    def send(self, *sent: tuple[str, bytes] | None) -> None:
        for one in sent:
            if one is not None:
                self.sender.publish(*one)

    def open(self, path: str) -> None:
        self.browser.open(self.collector.url + path)

    def wait_stored(self, device: str, n: int) -> None:
        wait_until(
            lambda: any(
                row["device"] == device and row["stored"] >= n
                for row in self.collector.get("/api/devices")
            )
        )

    def event_id(self, event_id: str) -> int:
        rows = self.collector.get("/api/events?limit=500")["events"]
        return next(row["id"] for row in rows if row["event"]["event_id"] == event_id)


def alarm_row(words: str) -> str:
    return f"[...document.querySelectorAll('.alarm')].find(a => a.innerText.includes('{words}'))"


def click(plant: Plant, words: str, within: str = "document") -> None:
    button = f"[...{within}.querySelectorAll('button')].find(b => b.innerText === '{words}')"
    plant.browser.evaluate(f"{button}.click()")


def type_name(plant: Plant, name: str) -> None:
    """Type as a person does: the page hears of it as of an input event, once it is connected."""
    plant.browser.wait("window.did_handshake === true")
    plant.browser.evaluate(
        "(() => { const i = document.querySelector('.ordering input');"
        " Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set"
        f".call(i, '{name}'); i.dispatchEvent(new Event('input', {{bubbles: true}})); }})()"
    )
