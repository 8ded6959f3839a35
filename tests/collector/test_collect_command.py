from __future__ import annotations

import random
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from brokers import Mosquitto, free_port
from reports import Reporter, Sent, picture
from resender import Resender, wait_until
from running import Running, command
from visitor import Visitor

from edge_guard.collector.pictures import PictureStore
from edge_guard.collector.store import Store

KILLS = 4


def test_kill_9_in_mid_ingest_loses_and_doubles_nothing(tmp_path: Path, broker: Mosquitto) -> None:
    device, chance = Reporter(), random.Random(11)
    messages: dict[int, list[Sent]] = {}
    for n in range(300):
        parts = device.event(picture(n, 320, 240))
        messages[device.sequence] = [one for one in parts if one is not None]
        if n % 5 == 0:
            result = device.result()
            messages[device.sequence] = [result]
    collector = Running(tmp_path, broker.port)
    with Resender(broker.port, device, messages) as resender:
        stored = 0
        for _ in range(KILLS):
            collector.start()
            before = stored
            wait_until(lambda: collector.get("/api/health")["stored"] > before)  # noqa: B023
            time.sleep(chance.random() * 0.2)  # anywhere in a batch
            stored = collector.get("/api/health")["stored"]
            collector.kill()
        with collector:
            assert resender.done.wait(60), f"{len(resender.pending)} never confirmed"
            wait_until(lambda: collector.get("/api/health")["stored"] == 360)  # it follows receipts
            health = collector.get("/api/health")
            assert collector.terminate() == 0
    assert (health["stored"], health["events"], health["missing"]) == (360, 300, 0)
    with sqlite3.connect(tmp_path / "c.sqlite") as db:
        counted = db.execute("SELECT count(*), count(DISTINCT sequence) FROM events").fetchone()
        frames = db.execute("SELECT sum(frames) FROM results").fetchone()[0]
        digests = [digest for (digest,) in db.execute("SELECT sha256 FROM events")]
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert counted == (300, 300)
    assert frames == 60
    pictures = PictureStore(tmp_path / "frames")
    assert all(pictures.get(digest) for digest in digests)


def test_sigterm_ends_it_cleanly_and_an_absent_broker_is_no_reason_to_give_up(
    tmp_path: Path,
) -> None:
    with Running(tmp_path, free_port()) as collector:
        wait_until(lambda: collector.get("/api/health")["broker"]["state"] == "unreachable")
        assert collector.terminate() == 0
    assert f"the page is at {collector.url}" in collector.log()
    assert "cannot be reached" in collector.log()
    assert "Traceback" not in collector.log()


def run(config: Path) -> tuple[int, str]:
    done = subprocess.run(command(config), capture_output=True, text=True, timeout=60, check=False)
    lines = [line for line in done.stderr.splitlines() if line.startswith("edge-guard: ")]
    assert len(lines) == 1, done.stderr
    return done.returncode, lines[0]


def test_a_damaged_database_is_exit_code_6(tmp_path: Path) -> None:
    collector = Running(tmp_path, free_port())
    (tmp_path / "c.sqlite").write_bytes(b"\0garbage" * 1000)
    code, line = run(collector.config)
    assert code == 6
    assert "c.sqlite" in line
    assert "backup" in line


def test_a_newer_database_is_exit_code_6(tmp_path: Path) -> None:
    collector = Running(tmp_path, free_port())
    Store(f"sqlite:///{tmp_path / 'c.sqlite'}", PictureStore(tmp_path / "frames")).close()
    with sqlite3.connect(tmp_path / "c.sqlite") as db:
        db.execute("INSERT INTO migrations VALUES ('0099-later')")
    code, line = run(collector.config)
    assert code == 6
    assert "0099-later" in line


def test_an_unusable_picture_folder_is_exit_code_6(tmp_path: Path) -> None:
    collector = Running(tmp_path, free_port())
    (tmp_path / "frames").write_text("a file")
    code, line = run(collector.config)
    assert code == 6
    assert "frames" in line


def test_a_taken_port_and_a_missing_file_are_exit_code_2(tmp_path: Path) -> None:
    collector = Running(tmp_path, free_port())
    port = int(collector.url.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        code, line = run(collector.config)
    assert code == 2
    assert f"port {port}" in line
    assert run(tmp_path / "none.toml")[0] == 2


def on_the_network(folder: Path, sign_in: str) -> Running:
    collector = Running(folder, free_port())
    web = f'[web]\nhost = "0.0.0.0"\nsign_in = "{sign_in}"\n'
    collector.config.write_text(collector.config.read_text().replace("[web]\n", web))
    return collector


def test_a_page_on_the_network_without_people_is_exit_code_2(tmp_path: Path) -> None:
    code, line = run(on_the_network(tmp_path, "auto").config)
    assert code == 2
    assert "nobody could sign in" in line
    assert "edge-guard people add" in line


@pytest.mark.parametrize(
    "proxied", ['trusted_proxies = ["127.0.0.1"]', 'allowed_hosts = ["collector.example"]']
)
def test_behind_a_proxy_it_asks_for_people_too(tmp_path: Path, proxied: str) -> None:
    collector = Running(tmp_path, free_port(), more=f"{proxied}\n")
    code, line = run(collector.config)
    assert code == 2
    assert "edge-guard people add" in line
    assert proxied.partition(" ")[0] in line


def test_who_comes_through_a_proxy_does_not_sit_at_this_machine(tmp_path: Path) -> None:
    with Running(tmp_path, free_port()) as collector:
        assert Visitor(collector.url).get("/api/devices").status == 200
        for header in ("X-Real-IP", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-For"):
            passed_on = Visitor(collector.url, {header: "203.0.113.9"})
            assert passed_on.get("/api/devices").status == 401, header


def test_a_page_open_to_the_network_is_said_aloud(tmp_path: Path) -> None:
    with on_the_network(tmp_path, "off") as collector:
        assert "everybody who reaches http://0.0.0.0" in collector.log()
        with urllib.request.urlopen(collector.url, timeout=10) as page:
            assert b"Nobody signs in here" in page.read()


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom edge_guard.cli.main import main\n"
        "try: main(['collect', '--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'nicegui', 'sqlalchemy', 'paho', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
