"""``edge-guard calibrate-all``: pictures that it takes itself, and how it is stopped."""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tinymodel import parts, write_model

from edge_guard.backends.preprocess import encode_png
from edge_guard.cli import calibrate_all
from edge_guard.cli.main import INTERRUPTED, main
from edge_guard.errors import ConfigError

PATIENCE_S = 60
CARD = '[input]\nmean = [0]\nstd = [255]\n[output]\nlabels = ["a", "b", "c"]\n'
TAPS = '[taps]\nfeatures = ["f"]\nmaps = ["r2"]\n'  # not chosen by speed
FLEET = """
[defaults.mqtt]
host = "broker"
[defaults.stream]
bundle = "{{stream}}.guard"
[defaults.calibrate]
model = "tiny.onnx"
[[device]]
id = "cell"
stream = [{{ name = "a", source = "{a}" }}, {{ name = "b", source = "{b}" }}]
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "tiny.onnx")
    (tmp_path / "tiny.toml").write_text(CARD + TAPS)
    return tmp_path


def write_pictures(folder: Path, n: int) -> None:
    folder.mkdir(parents=True)
    for number, image in enumerate(parts(n, 1), 1):
        (folder / f"frame-{number:06}.png").write_bytes(encode_png(image))


def calibrated(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What was said of each bundle."""
    assert main(["calibrate-all", "fleet.toml", "--json"]) == 4
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {one["bundle"]: one["said"] for one in records if one["type"] == "made"}


def kept(folder: str) -> int:
    return len(list(Path(folder, "references").iterdir()))


def test_each_capture_has_a_folder_of_its_own_and_no_other_machines_camera_is_opened(home, capsys):
    (home / "fleet.toml").write_text(FLEET.format(a="footage", b="0"))
    write_pictures(home / "footage", 4)
    write_pictures(home / "a.capture" / "references", 3)
    said = calibrated(capsys)
    assert "4 independent images" in said["a.guard"]["problem"]  # what an earlier run took is not
    assert (kept("a.capture"), kept("a.capture-2")) == (3, 4)
    assert "camera 0 is the device's own" in said["b.guard"]["problem"]
    assert "edge-guard calibrate tiny.onnx --camera 0" in said["b.guard"]["remedy"]
    assert not list(home.glob("b.*"))
    for go_on, name in ((True, "a.capture-2"), (False, "a.capture-3")):  # --yes, and without
        assert calibrate_all._album(Path("a.guard"), home, go_on=go_on) == Path(name)


def seen_by_all() -> str:
    """Return the command lines of all processes."""
    lines = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(one.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return "\n".join(lines)


def test_ctrl_c_stops_what_runs_and_starts_no_other(home):
    """Only the command itself is told, as by a service: its children would go on."""
    with (
        socket.create_server(("127.0.0.1", 0)) as first,
        socket.create_server(("127.0.0.1", 0)) as second,
    ):
        a, b = (f"http://eye:pass-7@127.0.0.1:{one.getsockname()[1]}/" for one in (first, second))
        (home / "fleet.toml").write_text(FLEET.format(a=a, b=b))
        command = [sys.executable, "-P", "-m", "edge_guard.cli.main", "calibrate-all", "fleet.toml"]
        process = subprocess.Popen(command, start_new_session=True)
        try:
            first.settimeout(PATIENCE_S)
            answered, _ = first.accept()  # its child waits for a picture that never comes
            with answered:
                assert "--camera -" in (lines := seen_by_all())
                assert "pass-7" not in lines, "the camera's password is for nobody's eyes"
                process.send_signal(signal.SIGINT)
                assert process.wait(PATIENCE_S) == INTERRUPTED
        finally:
            process.kill()
            process.wait()
        second.settimeout(0)
        with pytest.raises(BlockingIOError):
            second.accept()


def test_an_address_that_is_not_given_is_asked_for(home, capsys, monkeypatch):
    for given in (io.StringIO("\n"), None):
        monkeypatch.setattr(sys, "stdin", given)
        code = main(["calibrate", "tiny.onnx", "--camera", "-", "-o", "x.guard"])
        assert code == ConfigError.exit_code
        assert "--camera - got no address" in capsys.readouterr().err
