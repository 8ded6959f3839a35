"""Without a service manager: the daemon's parent starts it again, and ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from devices import wait_until

SCRIPT = """
import os, sys, time
from pathlib import Path
from edge_guard import supervisor
from edge_guard.notify import notify
supervisor.SILENT_SECONDS = supervisor.STOP_SECONDS = 1.0
supervisor.supervise()
note = Path(sys.argv[1])
with note.open("a") as file:
    print(os.getpid(), file=file)
starts = len(note.read_text().splitlines())
{work}
"""
FOREVER = "notify('READY=1')\nwhile True:\n    notify('WATCHDOG=1')\n    time.sleep(0.1)\n"


def start(folder: Path, work: str) -> subprocess.Popen[bytes]:
    environment = {k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET"}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(work=work), str(folder / "note")],
        stderr=subprocess.PIPE,
        env=environment,
    )


def children(folder: Path) -> list[int]:
    note = folder / "note"
    return [int(line) for line in note.read_text().split()] if note.exists() else []


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("code", [0, 2, 5])
def test_its_exit_code_is_the_childs(tmp_path: Path, code: int) -> None:
    process = start(tmp_path, f"sys.exit({code})")
    process.communicate(timeout=20)
    assert process.returncode == code
    assert len(children(tmp_path)) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        "os._exit(75)",
        "os.kill(os.getpid(), 11)",
        "os.kill(os.getpid(), 9)",
        "notify('READY=1'); raise RuntimeError",
        "notify('READY=1'); sys.exit(5)",  # every camera has failed
        "notify('READY=1'); time.sleep(60)",  # silent: it hangs as a whole
    ],
)
def test_a_child_that_crashed_or_hangs_is_started_again(tmp_path: Path, trouble: str) -> None:
    process = start(tmp_path, f"if starts < 2: {trouble}")
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert len(children(tmp_path)) == 2
    assert b"starts again" in errors


def test_once_it_has_worked_a_start_that_fails_is_tried_again(tmp_path: Path) -> None:
    work = "if starts < 2: notify('READY=1'); os._exit(75)\nif starts < 3: sys.exit(6)"
    process = start(tmp_path, work)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert len(children(tmp_path)) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_both(tmp_path: Path, number: int) -> None:
    process = start(tmp_path, f"import signal\nsignal.signal({number}, signal.SIG_DFL)\n{FOREVER}")
    wait_until(lambda: len(children(tmp_path)) == 1)
    time.sleep(0.3)
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert len(children(tmp_path)) == 1


def test_when_the_parent_is_killed_the_child_is(tmp_path: Path) -> None:
    process = start(tmp_path, FOREVER)
    wait_until(lambda: len(children(tmp_path)) == 1)
    process.kill()
    process.communicate(timeout=20)
    wait_until(lambda: gone(children(tmp_path)[0]))


def test_a_hangup_is_handed_on(tmp_path: Path) -> None:
    work = "import signal\nsignal.signal(signal.SIGHUP, lambda *_: sys.exit(0))\n" + FOREVER
    process = start(tmp_path, work)
    wait_until(lambda: len(children(tmp_path)) == 1)
    time.sleep(0.3)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert len(children(tmp_path)) == 1


def test_a_child_that_does_not_stop_is_ended(tmp_path: Path) -> None:
    work = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + FOREVER
    process = start(tmp_path, work)
    wait_until(lambda: len(children(tmp_path)) == 1)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGKILL
    assert b"does not stop" in errors
