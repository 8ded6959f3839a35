"""A real headless Chromium, driven through its debugging protocol."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

from brokers import free_port
from websockets.sync.client import ClientConnection, connect

OPTIONS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
]


def find_chromium() -> str:
    """Return the browser's path."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise FileNotFoundError("no Chromium is installed: apt install chromium")


class Browser:
    """One tab. Console errors, failed loads and addresses outside the page's host are noted.

    Attributes
    ----------
    complaints : list of str
        What the page should not have done.
    """

    def __init__(self, profile: Path, width: int = 1280, height: int = 800) -> None:
        self.complaints: list[str] = []
        self._profile = profile
        self._size = (width, height)
        self._number = 0

    def __enter__(self) -> Browser:
        port = free_port()
        places = [f"--remote-debugging-port={port}", f"--user-data-dir={self._profile}"]
        self._process = subprocess.Popen(
            [find_chromium(), *OPTIONS, *places, "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._socket = self._attach(port)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.command(f"{domain}.enable")
        self.resize(*self._size)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait(timeout=15)

    def resize(self, width: int, height: int) -> None:
        """Change the window."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.command("Emulation.setDeviceMetricsOverride", **size)

    def open(self, address: str) -> None:
        """Load a page; returns when its elements are there."""
        self.command("Page.navigate", url=address)
        self.wait(f"location.href.startsWith({address!r}) && !!document.querySelector('.body')")

    def evaluate(self, script: str) -> Any:
        """Return the value of a JavaScript expression."""
        answer = self.command("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = 15.0) -> float:
        """Return how many seconds it took until a JavaScript expression is true."""
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            if self.evaluate(condition):
                return time.monotonic() - begin
            time.sleep(0.02)
        text = self.evaluate("document.body.innerText")
        raise TimeoutError(f"not within {seconds} s: {condition}; the page says: {text[:2000]}")

    def text(self) -> str:
        """Return what a person can read on the page."""
        return str(self.evaluate("document.body.innerText"))

    def overflow(self) -> list[str]:
        """Return the elements that stick out of the window, or whose text is cut off sideways."""
        found: list[str] = self.evaluate(
            """[...document.querySelectorAll('.head *, .body *')].filter(e => {
                const r = e.getBoundingClientRect();
                return r.width && !e.ownerSVGElement && (r.right > innerWidth + 1 || r.left < -1);
            }).map(e => e.className + ': ' + e.innerText).slice(0, 5)"""
        )
        return found

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """Write what the window (or the whole page) shows as PNG."""
        answer = self.command("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the answer to one command of the protocol."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=20))
            if message.get("id") == self._number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            entry = parameters["entry"]
            self.complaints.append(f"{entry['text']} {entry.get('url', '')}")
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(parameters["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] == "error":
            self.complaints.append(str(parameters["args"]))
        elif method == "Network.requestWillBeSent":
            address = parameters["request"]["url"]
            if not address.startswith(("http://127.0.0.1", "data:", "blob:", "about:")):
                self.complaints.append(f"leaves the plant: {address}")

    def _attach(self, port: int) -> ClientConnection:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=2) as r:
                    tabs = [tab for tab in json.load(r) if tab["type"] == "page"]
                return connect(tabs[0]["webSocketDebuggerUrl"], max_size=None)
            except (OSError, IndexError):
                time.sleep(0.05)
        raise TimeoutError("Chromium did not start")
