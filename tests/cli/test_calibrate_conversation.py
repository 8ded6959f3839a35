"""``edge-guard calibrate`` as somebody at a terminal meets it, and as a script does."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tinymodel import parts, write_model

from edge_guard.backends.preprocess import encode_png
from edge_guard.bundle import read_bundle
from edge_guard.cli.conversation import Conversation, bars
from edge_guard.cli.main import INTERRUPTED, main
from edge_guard.cli.output import Output

CARD = '[input]\ncolor = "rgb"\nmean = [0]\nstd = [255]\n[output]\nlabels = ["a", "b", "c"]\n'
TAPS = '[taps]\nfeatures = ["f"]\nmaps = ["r2"]\n'  # not chosen by speed
PATIENCE_S = 110
N = 36


@contextmanager
def camera(images: Sequence[np.ndarray], every_s: float = 0.04) -> Iterator[str]:
    """The address of a network camera that shows pictures in turn for ever."""
    data = [
        cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes() for image in images
    ]
    gone = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            number = 0
            try:
                while not gone.wait(every_s):
                    jpeg, number = data[number % len(data)], number + 1
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
                    self.wfile.write(head.encode() + b"\r\n\r\n" + jpeg + b"\r\n")
            except OSError:
                pass

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/stream.mjpg"
    finally:
        gone.set()
        server.shutdown()
        thread.join()
        server.server_close()


class Talk:
    """A command on a terminal of its own."""

    def __init__(self, *arguments: str | Path) -> None:
        self.pid, self._fd = pty.fork()
        if not self.pid:
            os.environ["TERM"] = "xterm"
            command = [sys.executable, "-P", "-m", "edge_guard.cli.main", *map(str, arguments)]
            os.execv(command[0], command)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self.heard = ""

    def until(self, words: str) -> None:
        """Read until a pattern is heard."""
        end = time.monotonic() + PATIENCE_S
        while not re.search(words, self.heard):
            assert time.monotonic() < end, self.heard[-2000:]
            assert self._read(), f"ended before {words!r}: {self.heard[-2000:]}"

    def answer(self, keys: str) -> None:
        """Type something; what was heard before is forgotten."""
        self.heard = ""
        os.write(self._fd, keys.encode())

    def end(self) -> int:
        """Return the exit code."""
        while self._read():
            pass
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self) -> bool:
        ready = select.select([self._fd], [], [], PATIENCE_S)[0]
        assert ready, self.heard[-2000:]
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # the other side has closed it
            return False
        self.heard += data.decode("utf-8", "replace")
        return bool(data)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "tiny.toml").write_text(CARD + TAPS, encoding="utf-8")
    return write_model(tmp_path / "tiny.onnx")


def write_parts(folder: Path, images: Sequence[np.ndarray]) -> Path:
    folder.mkdir()
    for n, image in enumerate(images):
        (folder / f"part{n:03d}.png").write_bytes(encode_png(image))
    return folder


def run_here(
    capsys: pytest.CaptureFixture[str], *arguments: str | Path
) -> tuple[int, list[Any], str]:
    """Exit code, records and stderr of a command without a terminal, in this process."""
    code = main([*map(str, arguments), "--json"])
    said = capsys.readouterr()
    return code, [json.loads(line) for line in said.out.splitlines()], said.err


def some_blurred(n: int) -> list[np.ndarray]:
    """Parts of which each twelfth is blurred."""
    images = parts(n, 9)
    return [cv2.GaussianBlur(p, (0, 0), 3) if k % 12 == 5 else p for k, p in enumerate(images)]


def pictures(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "references").glob("*.png"))


@pytest.fixture(scope="module")
def conversed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and what a conversation left there; heard.txt is what was said."""
    folder = tmp_path_factory.mktemp("conversed")
    (folder / "tiny.toml").write_text(CARD + TAPS, encoding="utf-8")
    write_model(folder / "tiny.onnx")
    options = ("--frames", str(N), "--every", "0", "-o", folder / "line.guard")
    with camera(some_blurred(60), every_s=0.1) as address:  # slow: hardly one is missed
        talk = Talk("calibrate", folder / "tiny.onnx", "--camera", address, *options)
        talk.until(r"this is what the camera sees:\r\n.*▀")
        talk.until(r"\d+/36 images · \d+ different · light ")
        talk.until(r"! \d+ images? (is|are) blurred[^\n]*\r\n.*Keep or drop them\? \[k/D\] ")
        assert len(pictures(folder / "line.capture")) == N
        talk.answer("what\n")
        talk.until(r"please answer keep or drop")
        talk.answer("d\n")
        talk.until(r"moved to \S*set-aside/blurred")
        assert talk.end() == 0, talk.heard[-2000:]
    (folder / "heard.txt").write_text(talk.heard, encoding="utf-8")
    return folder


def test_a_conversation_drops_what_is_blurred_and_tells_what_it_has(conversed):
    heard = (conversed / "heard.txt").read_text("utf-8")
    left = len(pictures(conversed / "line.capture"))
    assert left + len(list((conversed / "line.capture/set-aside/blurred").iterdir())) == N
    assert f"{left} images, {left} of them different from each other" in heard
    assert "this holds for pictures as sharp and as varied as these" in heard
    (said,) = [
        w
        for w in read_bundle(conversed / "line.guard").manifest.references.warnings
        if "blurred" in w
    ]
    assert said.startswith(f"{N - left} blurred images were left out")
    assert "correlation length" not in heard
    page = (conversed / "line.capture" / "index.html").read_text("utf-8")
    assert page.count("<figure>") >= 24
    assert "location.reload" not in page  # nothing more comes


def test_a_conversation_ends_in_the_bundle_that_the_folder_gives(conversed, tmp_path):
    folder, out = conversed / "line.capture" / "references", tmp_path / "folder.guard"
    command = ["calibrate", conversed / "tiny.onnx", "--reference", folder, "-o", out]
    assert main([*map(str, command)]) == 0
    compare(read_bundle(conversed / "line.guard"), read_bundle(out))


def compare(one: Any, other: Any) -> None:
    """Two bundles are the same but for when they were made."""
    assert one.model == other.model
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name], name)
    assert one.pictures == other.pictures
    assert one.manifest.promise == other.manifest.promise
    assert one.manifest.references == other.manifest.references


def test_ctrl_c_keeps_what_was_taken_and_the_same_command_goes_on(tmp_path, model):
    out, folder = tmp_path / "line.guard", tmp_path / "line.capture"
    with camera(parts(90, 9)) as address:
        command = ("calibrate", model, "--camera", address, "--every", "0", "-o", out)
        command = (
            *command,
            "--frames",
            "5000",
            "--region",
            "0,0,48,48",
            "--false-flag-rate",
            "0.02",
        )
        talk = Talk(*command)
        talk.until(r"(2[4-9]|[3-9]\d|\d{3,})/5000 images")
        talk.answer("\x03")
        talk.until(r"stopped: \d+ images are kept in")
        talk.until(r"Calibrate with these now\? \[y/N\] ")
        talk.answer("n\n")
        assert talk.end() == INTERRUPTED
        kept = pictures(folder)
        assert len(kept) >= 24
        assert "give the same command again with --yes" in talk.heard
        asked = "--false-flag-rate 0.02 --region 0,0,48,48"  # and nothing that was left out
        assert f"--reference {folder}/references {asked} -o {out}\r\n" in talk.heard
        again = Talk(*command)
        again.until(rf"holds {len(kept)} images of an earlier capture. Go on with them\? \[Y/n\] ")
        again.answer("\n")
        again.until(rf"(?!{len(kept)}/)\d+/5000 images")
        again.answer("\x03")
        again.until(r"now\? \[y/N\] ")
        again.answer("n\n")
        assert again.end() == INTERRUPTED
    assert pictures(folder)[: len(kept)] == kept
    assert len(pictures(folder)) > len(kept)
    assert not out.exists()


def test_a_script_is_never_asked(tmp_path, model):
    """Standard input is a pipe that nobody writes to and nobody closes."""
    footage = write_parts(tmp_path / "footage", some_blurred(18))
    command = [sys.executable, "-P", "-m", "edge_guard.cli.main", "calibrate", str(model)]
    waits, never = os.pipe()
    try:
        done = subprocess.run(
            [*command, "--camera", str(footage), "-o", str(tmp_path / "line.guard")],
            stdin=waits,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    finally:
        os.close(waits)
        os.close(never)
    assert done.returncode == 4, done.stderr  # 18 are too few
    assert "images are blurred" in done.stdout
    assert "the same command with --yes --frames 20" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert len(pictures(tmp_path / "line.capture")) == 18  # kept


def test_blurred_images_are_left_out_where_a_flag_says_so(tmp_path, model, capsys):
    folder = write_parts(tmp_path / "parts", some_blurred(21))
    command = ("calibrate", model, "--reference", folder, "-o", tmp_path / "line.guard")
    code, records, error = run_here(capsys, *command, "--blurred", "drop", "--explain")
    told = next(r for r in records if r["type"] == "advice" and r["topic"] == "blurred")
    assert "2 images are blurred (part005.png, part017.png)" in told["message"]
    covered = next(r for r in records if r["type"] == "coverage")
    assert covered["images"] == 19
    assert any("correlation length" in s for s in covered["sentences"])
    assert "this holds for pictures as sharp as these" in covered["sentences"]
    assert code == 4
    assert f"worth only {covered['effective']:.0f} independent images" in error
    assert len(list(folder.iterdir())) == 21  # the user's own files stay


def test_another_product_is_refused_where_a_bundle_is_there(tmp_path, conversed, capsys):
    out = Path(shutil.copy(conversed / "line.guard", tmp_path))
    model = conversed / "tiny.onnx"
    other = write_parts(tmp_path / "other", [255 - image[::-1] for image in parts(18, 2)])
    code, records, error = run_here(capsys, "calibrate", model, "--reference", other, "-o", out)
    assert code == 4
    assert re.search(r"18 of 18 images are foreign to .*line\.guard", error)
    assert "--changed" in records[-1]["remedy"]
    code, _, error = run_here(capsys, "calibrate", model, "--camera", other, "-o", out)
    assert code == 4
    assert "12 of 12 images are foreign" in error
    assert not pictures(tmp_path / "line.capture")  # set aside
    assert len(list((tmp_path / "line.capture" / "set-aside" / "foreign").iterdir())) == 12
    meant = ("calibrate", model, "--reference", other, "--changed", "-o", out)
    code, _, error = run_here(capsys, *meant)
    assert (code, "worth only" in error) == (4, True)  # too few, but no longer foreign
    same = write_parts(tmp_path / "same", parts(18, 3))
    _, _, error = run_here(capsys, "calibrate", model, "--reference", same, "-o", out)
    assert "worth only" in error
    assert out.read_bytes() == (conversed / "line.guard").read_bytes()


def test_an_earlier_capture_hides_no_other_product(tmp_path, conversed, capsys):
    out = Path(shutil.copy(conversed / "line.guard", tmp_path))
    album = tmp_path / "line.capture"
    shutil.copytree(conversed / "line.capture" / "references", album / "references")
    before = pictures(album)
    other = write_parts(tmp_path / "other", [255 - image[::-1] for image in parts(18, 2)])
    command = ("calibrate", conversed / "tiny.onnx", "--camera", other, "--yes", "-o", out)
    code, records, _ = run_here(capsys, *command, "--frames", str(len(before)))
    assert (code, "asks for no more" in records[-1]["problem"]) == (2, True)
    assert f"--reference {album / 'references'}" in records[-1]["remedy"]
    code, records, _ = run_here(capsys, *command, "--frames", str(len(before) + 5))
    assert (code, "5 of 5 images are foreign" in records[-1]["problem"]) == (4, True)
    assert pictures(album) == before
    assert len(list((album / "set-aside" / "foreign").iterdir())) == 5
    shutil.rmtree(album / "references")
    write_parts(album / "references", [255 - image[::-1] for image in parts(18, 2)])
    same = write_parts(tmp_path / "same", parts(2, 3))
    again = ("calibrate", conversed / "tiny.onnx", "--camera", same, "--yes", "-o", out)
    code, records, _ = run_here(capsys, *again)
    assert (code, "of 20 images are foreign" in records[-1]["problem"]) == (4, True)


def test_what_cannot_be_calibrated_is_told_before_anybody_takes_pictures(tmp_path, model, capsys):
    footage = write_parts(tmp_path / "footage", parts(5, 1))
    out = tmp_path / "line.guard"
    take = ("calibrate", model, "--camera", footage, "-o", out)
    code, records, error = run_here(capsys, *take)
    assert code == 4
    assert "worth only 5 independent images, 20 are the least" in error
    assert any("too few to promise anything" in s for s in records[-2]["sentences"])
    code, _, error = run_here(capsys, *take)
    assert code == 2
    assert "holds 5 images of an earlier capture" in error
    shutil.rmtree(tmp_path / "line.capture")
    absent = ("calibrate", model, "--camera", "/dev/video97", "-o", out)
    code, _, error = run_here(capsys, *absent)
    assert (code, "is not there" in error) == (5, True)
    nowhere = ("calibrate", model, "--camera", footage, "-o", tmp_path / "nowhere" / "x.guard")
    code, _, error = run_here(capsys, *nowhere)
    assert (code, "its folder is missing" in error) == (3, True)
    (tmp_path / "tiny.toml").write_text(CARD.replace('"c"', '"c", "d"'), encoding="utf-8")
    assert run_here(capsys, *take)[0] == 3
    assert not (tmp_path / "line.capture").exists()
    assert run_here(capsys, *take[:2], "--reference", footage, "-o", out, "--every", "1")[0] == 2


def test_choices_are_understood_by_word_letter_and_silence(monkeypatch, capsys):
    class Terminal:
        def __init__(self, *lines: str) -> None:
            self.lines = list(lines)

        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return self.lines.pop(0) if self.lines else ""

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for typed, answer in {
        "keep\n": "keep",
        "K\n": "keep",
        "d\n": "drop",
        "\n": "drop",
        "": "drop",
    }.items():
        monkeypatch.setattr(sys, "stdin", Terminal(typed))
        talk = Conversation(Output(False), yes=False)
        assert talk.choose("?", ("keep", "drop"), "drop", "keep") == answer
    monkeypatch.setattr(sys, "stdin", Terminal(*["no idea\n"] * 9))
    assert Conversation(Output(False), yes=False).agree("?", suggested=False) is False
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert Conversation(Output(False), yes=True).agree("?", suggested=False) is False
    assert Conversation(Output(True), yes=False).choose("?", ("a", "b"), "a", "b") == "b"


def test_nobody_is_asked_where_standard_input_is_closed(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert not Conversation(Output(False), yes=False).attended


def test_bars_show_the_whole_range():
    assert bars([0.0, 128.0, 255.0, 999.0], 0.0, 255.0) == "▁▅██"
