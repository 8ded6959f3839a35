"""The whole demo, as a user starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from devices import wait_until

from edge_guard.cli import demo
from edge_guard.cli.main import main

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def playing(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "edge_guard.cli.main", "demo", "--json", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, **environment}
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def next_record(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    record: dict[str, Any] = json.loads(process.stdout.readline())
    return record


def test_demo_shows_its_page_stores_everything_and_catches_what_happens() -> None:
    with playing("--seconds", "17") as process:
        page = next_record(process)
        with urllib.request.urlopen(page["address"], timeout=20) as answer:
            assert answer.status == 200
        report = next_record(process)
        assert process.wait(30) == 0
    assert report["type"] == "demo"
    assert report["frames"] >= 170
    assert sum(report["verdicts"].values()) == report["frames"]
    assert 100 <= report["verdicts"]["accept"] <= report["frames"] - 50 + 10
    events = report["events"]
    assert events["produced"] == events["stored"] >= 50
    assert events["dropped"] == 0
    outcomes = {one["event"]: one for one in report["scripted"]}
    assert set(outcomes) == {"bottle_cap", "light_bulb"}
    assert outcomes["bottle_cap"]["reason"] is not None
    assert outcomes["light_bulb"]["caught"]
    assert outcomes["light_bulb"]["reason"] == "gate.exposure"
    assert outcomes["light_bulb"]["delay_frames"] <= 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_an_endless_demo_in_order_with_its_report(number: signal.Signals) -> None:
    with playing() as process:
        next_record(process)
        os.kill(process.pid, number)
        report = next_record(process)
        assert process.wait(60) == 0
    assert report["type"] == "demo"
    assert report["events"]["produced"] == report["events"]["stored"]
    assert report["scripted"] == []


def test_impatience_leaves_no_process_behind() -> None:
    with playing() as process:
        next_record(process)
        started = children(process.pid)
        while process.poll() is None:  # Ctrl-C again and again, whatever it is doing
            os.kill(process.pid, signal.SIGINT)
            time.sleep(0.05)
    assert len(started) == 3
    assert not any(map(runs, started))
    assert process.returncode in (0, -signal.SIGINT)  # the latter: after its last instruction


def test_kill_9_takes_its_processes_with_it(tmp_path: Path) -> None:
    with playing(TMPDIR=str(tmp_path)) as process:
        next_record(process)
        started = children(process.pid)
        process.kill()
    assert len(started) == 3
    wait_until(lambda: not any(map(runs, started)), 40)  # the device tries to say goodbye first


def test_missing_library_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None if name == "amqtt" else name)
    assert main(["demo"]) == 2
    assert "amqtt" in (error := capsys.readouterr().err)
    assert "pip install 'edge-guard[demo]'" in error


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--seconds", "0"], "--seconds 0"),
        (["--seconds", "nan"], "--seconds nan"),
        (["--port", "70000"], "--port 70000"),
    ],
)
def test_impossible_arguments_are_refused(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", *arguments]) == 2
    assert named in capsys.readouterr().err
