"""``edge-guard run`` on bad input: one line, and the documented exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
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
