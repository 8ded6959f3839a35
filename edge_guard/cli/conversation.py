"""Questions, a status line and advice: how a command talks with whoever started it.

Without a terminal nobody is asked: each question has an answer for that, and a flag to choose it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edge_guard.cli.output import Output

if TYPE_CHECKING:
    from edge_guard.calibration.advice.watch import Advice
    from edge_guard.types import Image

_REDRAW_S = 0.2
_PLAIN_S = 10.0
_ATTEMPTS = 3
_PICTURE = 48, 16
"""Width and height of a picture in a terminal, characters."""
_DARKEST, _GRAYS = 232, 24
"""Grays of a terminal with 256 colours."""
_BARS = "▁▂▃▄▅▆▇█"


class Conversation:
    """One talk.

    Parameters
    ----------
    output : Output
    yes : bool
        Take the suggested answer to every question.
    """

    def __init__(self, output: Output, *, yes: bool) -> None:
        self._output = output
        self._yes = yes
        self._terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        heard = sys.stdin is not None and sys.stdin.isatty()  # none: it was closed at the start
        self.attended = heard and self._terminal and not yes and not output.json
        self._said: set[str] = set()
        self._next_draw = 0.0
        self._drawn = False

    def choose(
        self, question: str, answers: Sequence[str], suggested: str, unattended: str | None = None
    ) -> str | None:
        """Return the chosen one of ``answers``; words and first letters are understood.

        Parameters
        ----------
        question : str
        answers : sequence of str
            Words with different first letters.
        suggested : str
            Taken for an empty line, the end of input, three answers that are none, and ``--yes``.
        unattended : str or None
            Returned where nobody can be asked and ``--yes`` was not given.
        """
        if not self.attended:
            return suggested if self._yes else unattended
        letters = "/".join(w[0].upper() if w == suggested else w[0] for w in answers)
        for _ in range(_ATTEMPTS):
            self.clear()
            sys.stderr.write(f"{question} [{letters}] ")
            sys.stderr.flush()
            said = sys.stdin.readline()
            word = said.strip().lower()
            if not word:
                break
            for answer in answers:
                if word in (answer, answer[0]):
                    return answer
            self.say(f"please answer {' or '.join(answers)}")
        return suggested

    def agree(self, question: str, *, suggested: bool, unattended: bool = False) -> bool:
        """Return whether the answer is yes."""
        words = {True: "yes", False: "no"}
        answer = self.choose(question, ("yes", "no"), words[suggested], words[unattended])
        return answer == "yes"

    def advise(self, advice: Sequence[Advice]) -> None:
        """Print what has not held until now; what holds on is not said again."""
        for one in advice:
            if one.topic not in self._said:
                self.say(one.message, topic=one.topic)
        self._said = {one.topic for one in advice}

    def say(self, message: str, *, topic: str = "", color: str | None = "yellow") -> None:
        """Print one sentence; a record where machines read."""
        self.clear()
        if topic:
            self._output.record({"type": "advice", "topic": topic, "message": message})
        mark = "! " if color == "yellow" else ""
        self._output.text(f"{mark}{message}", color=color)

    def status(self, line: str) -> None:
        """Show how far it is, on one line that the next one replaces; elsewhere every 10 s."""
        now = time.monotonic()
        if now < self._next_draw:
            return
        self._next_draw = now + (_REDRAW_S if self._terminal else _PLAIN_S)
        if self._terminal:
            width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
            sys.stderr.write("\r\033[K" + line[: width - 1])
            self._drawn = True
        elif not self._output.json:
            sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the status line off the terminal."""
        if self._drawn:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
            self._drawn = False

    def picture(self, image: Image) -> None:
        """Draw a picture in gray characters, for somebody whose device has no screen."""
        if not self._terminal or self._output.json or "NO_COLOR" in os.environ:
            return
        self.clear()
        sys.stderr.write("\n".join(_drawn(image)) + "\n")
        sys.stderr.flush()


def bars(values: Sequence[float], low: float, high: float) -> str:
    """Return one character a value, from an eighth of a line's height to all of it."""
    span = max(high - low, 1e-9)
    top = len(_BARS) - 1
    return "".join(_BARS[min(top, max(0, round((v - low) / span * top)))] for v in values)


def _drawn(image: Image) -> list[str]:
    """Return the lines of a picture: two grays a character, an upper half block on a ground."""
    import numpy as np

    width, height = _PICTURE
    rows = np.linspace(0, image.shape[0] - 1, 2 * height).astype(int)
    columns = np.linspace(0, image.shape[1] - 1, width).astype(int)
    small = image[np.ix_(rows, columns)]
    plane = small if small.ndim == 2 else small.mean(2)
    grays = _DARKEST + (plane * (_GRAYS - 1) / 255).round().astype(int)
    return [
        "".join(f"\033[38;5;{a};48;5;{b}m▀" for a, b in zip(upper, lower, strict=True)) + "\033[0m"
        for upper, lower in zip(grays[::2], grays[1::2], strict=True)
    ]
