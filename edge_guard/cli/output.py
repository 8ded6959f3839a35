"""What commands print: JSON lines for machines or text for people on stdout, progress on stderr."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Any, TextIO

import msgspec

COLORS = {"red": 31, "green": 32, "yellow": 33, "bold": 1, "dim": 2}
_BAR_WIDTH = 24
_REDRAW_SECONDS = 0.1
_PLAIN_SECONDS = 10.0


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--json`` to a command's parser."""
    parser.add_argument(
        "--json", action="store_true", help="print JSON on stdout, one object a line"
    )


class Output:
    """Stdout of a command, in one of two forms.

    Parameters
    ----------
    json : bool
        True: ``record`` prints and ``text`` is silent. False: the other way round.
    """

    def __init__(self, json: bool) -> None:
        self.json = json
        self.progress = Progress(sys.stderr)
        self._colors = _is_terminal(sys.stdout) and "NO_COLOR" not in os.environ

    def record(self, record: dict[str, Any] | msgspec.Struct) -> None:
        """Print one JSON object and its newline at once, so that a reader sees it now."""
        if self.json:
            sys.stdout.write(msgspec.json.encode(record).decode() + "\n")
            sys.stdout.flush()

    def text(self, line: str = "", *, color: str | None = None) -> None:
        """Print one line for people, clearing the progress bar first.

        Parameters
        ----------
        line : str
        color : str, optional
            A key of ``COLORS``, used only on a terminal.
        """
        if not self.json:
            self.progress.clear()
            print(self.paint(line, color) if color else line)

    def paint(self, text: str, color: str) -> str:
        """Return ``text`` in ``color`` on a terminal, unchanged elsewhere."""
        return f"\033[{COLORS[color]}m{text}\033[0m" if self._colors else text


class Progress:
    """How far a long piece of work is: call it with ``(stage, done, total)``.

    A bar on a terminal; elsewhere a plain line when a stage ends and every ten seconds.
    It can be handed to a library function as ``Callable[[str, int, int], None]``.

    Parameters
    ----------
    stream : TextIO
        Where to draw, normally stderr.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = _is_terminal(stream)
        self._stage = ""
        self._began = 0.0
        self._next_draw = 0.0
        self._drawn = False

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Draw ``done`` of ``total`` steps of ``stage``; the clock starts anew with each stage."""
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._began = stage, now
            self._next_draw = now if self._terminal else now + _PLAIN_SECONDS
        finished = done >= total
        if not finished and now < self._next_draw:
            return
        self._next_draw = now + (_REDRAW_SECONDS if self._terminal else _PLAIN_SECONDS)
        line = _progress_line(stage, done, total, now - self._began, bar=self._terminal)
        if self._terminal:
            self._stream.write("\r\033[K" + line + ("\n" if finished else ""))
            self._drawn = not finished
        else:
            self._stream.write(line + "\n")
        self._stream.flush()

    def clear(self) -> None:
        """Take an unfinished bar off the terminal."""
        if self._drawn:
            self._stream.write("\r\033[K")
            self._stream.flush()
            self._drawn = False


def _progress_line(stage: str, done: int, total: int, seconds: float, *, bar: bool) -> str:
    share = min(done / total, 1.0) if total else 1.0
    if share >= 1.0:
        clock = f"{seconds:.1f} s"
    elif done:
        clock = f"{seconds / done * (total - done):.0f} s left"
    else:
        clock = "starting"
    filled = round(share * _BAR_WIDTH)
    picture = f" {'█' * filled}{'·' * (_BAR_WIDTH - filled)}" if bar else ""
    return f"{stage}{picture} {done}/{total} ({share:.0%}), {clock}"


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"
