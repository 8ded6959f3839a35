"""``edge-guard run`` on bad input: one line, and the documented exit code."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from brokers import free_port
from devices import wait_until
from pretend import ACCEPTED, write_pictures

CONFIG = """
[device]
id = "{device}"
[[stream]]
name = "cam"
source = "{source}"
bundle = "{bundle}"
[mqtt]
port = 1
[spool]
path = "spool"
"""


def write_config(folder: Path, **changes: str) -> str:
    write_pictures(folder / "in", ACCEPTED)
    (folder / "bad.guard").write_bytes(b"no bundle")
    fields = {"device": "d", "source": "in", "bundle": "bad.guard", **changes}
    path = folder / "device.toml"
    path.write_text(CONFIG.format(**fields))
    return str(path)


def run(config: str) -> tuple[int, str]:
    """Return exit code and standard error of ``edge-guard run``."""
    done = subprocess.run(
        [sys.executable, "-m", "edge_guard.cli.main", "run", config],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"device": "a/b"}, 2, "a/b"),
        ({"source": "nowhere"}, 5, "nowhere"),
        ({}, 3, "bad.guard"),
        ({"bundle": "absent.guard"}, 2, "absent.guard"),
    ],
)
def test_bad_input_is_named(tmp_path: Path, changes: dict[str, str], code: int, words: str) -> None:
    found, errors = run(write_config(tmp_path, **changes))
    (line,) = [x for x in errors.splitlines() if x.startswith("edge-guard:")]
    assert (found, words in line) == (code, True)


def test_an_unusable_spool_is_named(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file")
    code, errors = run(write_config(tmp_path))
    assert (code, "spool" in errors) == (6, True)


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    code, errors = run(str(tmp_path / "none.toml"))
    assert (code, "none.toml" in errors) == (2, True)


LIVE = """
[device]
id = "d"
[[stream]]
name = "cam"
source = "{models}/footage.avi"
bundle = "{models}/demo_line.guard"
frames_per_second = 10
loop = true
{more}
[mqtt]
port = 1
[metrics]
port = {port}
"""


def test_a_hangup_reads_the_configuration_again(tmp_path: Path) -> None:
    port, path = free_port(), tmp_path / "device.toml"
    models = Path(__file__).resolve().parents[2] / "models"

    def write(more: str) -> None:
        path.write_text(LIVE.format(models=models, port=port, more=more))

    def causes() -> str:
        try:
            address = f"http://127.0.0.1:{port}/health"
            with urllib.request.urlopen(address, timeout=10) as answer:
                return str(json.load(answer)["causes"])
        except urllib.error.HTTPError as error:
            return str(json.load(error)["causes"])
        except OSError:
            return "no answer"

    write("")
    process = subprocess.Popen(
        [sys.executable, "-m", "edge_guard.cli.main", "run", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: causes() != "no answer")
    write("jpeg_quality = 1000")

    def refused() -> bool:
        process.send_signal(signal.SIGHUP)  # again: one that comes before the start is ignored
        return "the new configuration is not used" in causes()

    wait_until(refused)
    assert "device.toml:10" in causes()
    write("jpeg_quality = 50")
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: "not used" not in causes())
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)  # the second one: nobody waits for the absent broker
    _, errors = process.communicate(timeout=30)
    assert process.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    assert "jpeg_quality" in errors
    assert "the configuration was read again" in errors
    assert "Traceback" not in errors
