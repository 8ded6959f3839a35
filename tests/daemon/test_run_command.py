"""``edge-guard run`` on bad input: one line, and the documented exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
from pretend import ACCEPTED, write_pictures

from edge_guard.cli.main import main

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


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"device": "a/b"}, 2, "a/b"),
        ({"source": "nowhere"}, 5, "nowhere"),
        ({}, 3, "bad.guard"),
        ({"bundle": "absent.guard"}, 2, "absent.guard"),
    ],
)
def test_bad_input_is_named(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, str],
    code: int,
    words: str,
) -> None:
    assert main(["run", write_config(tmp_path, **changes)]) == code
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("edge-guard:")]
    assert words in line


def test_an_unusable_spool_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "spool").write_text("a file")
    assert main(["run", write_config(tmp_path)]) == 6
    assert "spool" in capsys.readouterr().err


def test_a_missing_configuration_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(tmp_path / "none.toml")]) == 2
    assert "none.toml" in capsys.readouterr().err
