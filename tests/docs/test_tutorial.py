"""The tutorial from start to end, then the how-to guides on the line that it leaves running."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from brokers import find_mosquitto
from pages import DOCS, ROOT, blocks, commands
from postgres_server import PostgresServer, missing
from resender import wait_until
from terminal import Reader, moved

HOW_TO = {path.stem for path in (DOCS / "how-to").glob("*.md")}
EXTEND = sorted(path.stem for path in (DOCS / "extend").glob("*.md"))
pytestmark = pytest.mark.timeout(400)

CAMERA = {"/dev/video0": "models/footage.avi"}
"""A recording plays the camera."""


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    someone = Reader(tmp_path_factory.mktemp("tutorial"))
    try:
        someone.follow(DOCS / "tutorial.md")
        yield someone
    finally:
        someone.end()


def test_the_tutorial_leads_to_a_line_that_stores_what_its_device_flags(reader: Reader) -> None:
    said = [c for b in blocks(DOCS / "tutorial.md") if b.language == "console" for c in commands(b)]
    assert len(said) >= 15
    address = f"http://localhost:{reader.ports['8080']}/api/events?limit=1"

    def newest() -> list[dict[str, object]]:
        with urllib.request.urlopen(address, timeout=30) as answer:
            events: list[dict[str, object]] = json.load(answer)["events"]
            return events

    wait_until(lambda: bool(newest()), 60)
    assert newest()[0]["line"] == "line-3"


@pytest.mark.parametrize("name", sorted(HOW_TO - {"broker", "postgresql"}))
def test_a_guide_can_be_followed(name: str, reader: Reader) -> None:
    assert reader.follow(DOCS / "how-to" / f"{name}.md", CAMERA) >= 2


@pytest.mark.parametrize("name", EXTEND)
def test_the_code_of_a_page_about_extending_runs(name: str, reader: Reader) -> None:
    assert reader.follow(DOCS / "extend" / f"{name}.md") >= 1


def test_the_readmes_commands_work_on_the_tutorials_line(reader: Reader) -> None:
    """All but those that take minutes (measuring) or have no end; these are the tutorial's."""
    folders = {"odd": "parts/scratch", "fresh": "parts/ok", "objects": "parts/stain"}
    done = []
    for command in (c for b in blocks(ROOT / "README.md") for c in commands(b)):
        words = re.sub(r"\s+#.*", "", command.line)
        if re.match(r"edge-guard (inspect|evaluate|config|schema|home-assistant) ", words):
            for there, here in folders.items():
                words = re.sub(rf"\b{there}\b", here, words)
            reader.enter(words)
            done.append(words)
    assert len(done) >= 5


def test_the_readmes_python_gives_a_verdict(reader: Reader) -> None:
    (block,) = (b for b in blocks(ROOT / "README.md") if b.language == "python")
    image = next((reader.folder / "parts" / "scratch").iterdir())
    first = f"import cv2\nimage = cv2.imread({str(image)!r})\n"
    (reader.folder / "readme.py").write_text(first + block.text)
    assert re.match(r"(accept|review|invalid) ", reader.enter("python readme.py"))


def test_the_listener_in_python_hears_an_event_and_finds_it_as_the_schema_says(
    reader: Reader,
) -> None:
    block = next(b for b in blocks(DOCS / "interfaces.md") if b.language == "python")
    here = f'connect("localhost", {reader.ports["1883"]})'
    assert 'connect("localhost")' in block.text
    (reader.folder / "listen.py").write_text(block.text.replace('connect("localhost")', here))
    reader.enter("edge-guard schema event > event.json")
    heard = reader.enter("python -u listen.py | head -1")
    assert heard.startswith("top ")


def test_the_guide_to_the_plants_broker_ends_with_a_device_that_is_let_in(reader: Reader) -> None:
    page = DOCS / "how-to" / "broker.md"
    etc = reader.folder / "etc"
    (etc / "conf.d").mkdir(parents=True)
    (etc / "certs").mkdir()
    broker = Plant(etc, reader.ports["8883"])
    here = {"sudo cp ": "cp ", "/etc/mosquitto": str(etc)}
    owner = next(line for line in page.read_text().splitlines() if "chown" in line)[2:]
    owner = owner.replace("/etc/mosquitto", str(etc))
    try:
        restart = {"sudo systemctl restart mosquitto": broker.start, owner: lambda: None}
        assert reader.follow(page, here, restart) >= 10
        for name in ("collector-password", "mqtt-password", "edge-guard.passwords", "broker.key"):
            assert not (reader.folder / name).stat().st_mode & 0o077, name
        password = (reader.folder / "mqtt-password").read_text().strip()
        assert password not in (etc / "edge-guard.passwords").read_text()
    finally:
        broker.stop()


class Plant:
    """Mosquitto as Debian starts it, of the files that a reader has copied."""

    def __init__(self, etc: Path, port: str) -> None:
        self._etc, self._port = etc, port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when it listens."""
        moved(self._etc, "/etc/mosquitto", str(self._etc))
        moved(self._etc, "/var/lib/mosquitto", str(self._etc))
        moved(self._etc, "listener 8883", f"listener {self._port} 127.0.0.1")
        moved(self._etc, "log_dest syslog", "log_dest stderr")
        user = "user root\n" if os.geteuid() == 0 else ""
        (self._etc / "mosquitto.conf").write_text(f"{user}include_dir {self._etc}/conf.d\n")
        log = self._etc / "log"
        with log.open("wb") as file:
            command = [find_mosquitto(), "-c", str(self._etc / "mosquitto.conf")]
            self._process = subprocess.Popen(command, stdout=file, stderr=file)
        wait_until(self._listens, 30)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(self._port))) == 0

    def stop(self) -> None:
        """SIGTERM."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=30)


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_the_guide_to_postgresql_moves_what_the_tutorial_has_stored(reader: Reader) -> None:
    server = PostgresServer()
    try:
        server.execute("CREATE DATABASE plant OWNER edge")
        here = {
            "@db.plant/edge?": f"@/plant?host={server.folder}&",
            "db.plant:5432:edge:edge:SECRET": f"*:*:*:edge:{server.password}",
        }
        page = DOCS / "how-to" / "postgresql.md"
        root = [line[2:] for line in page.read_text().splitlines() if line.startswith("$ sudo ")]
        reader.end("terminal 3")
        reader.end("terminal 2")
        assert reader.follow(page, here, dict.fromkeys(root, lambda: None)) >= 4
        copied = [path.name for path in (reader.folder / "backup").iterdir()]
        assert copied
    finally:
        server.stop()
