"""How a device's log reads: one line each, in plain words, and no line again and again."""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from collections import OrderedDict

AGAIN_SECONDS = 600.0
"""What is said again within this time is counted, not written."""
_MOST_REMEMBERED = 256
_PRIORITIES = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}
"""syslog's, which systemd's journal takes as ``<N>`` at the start of a line (sd-daemon(3))."""


def speak_plainly(verbosity: int) -> None:
    """Let all logs go to stderr as a device's should.

    Parameters
    ----------
    verbosity : int
        0: what a technician needs. 1: with the part of the program, traces of errors, and without
        limit. 2: every detail.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine(journal="JOURNAL_STREAM" in os.environ, full=verbosity > 0))
    if not verbosity:
        handler.addFilter(Repetitions())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    levels = (logging.INFO, logging.INFO, logging.DEBUG)
    logging.getLogger("edge_guard").setLevel(levels[min(verbosity, 2)])


class OneLine(logging.Formatter):
    """A record as one line.

    Parameters
    ----------
    journal : bool
        For systemd's journal, which has its own clock: a priority instead of time and level.
    full : bool
        Name the part of the program, and follow errors with their traces.
    """

    def __init__(self, *, journal: bool, full: bool) -> None:
        super().__init__()
        self._journal = journal
        self._full = full

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a trace, where it is wanted, follows on lines of its own."""
        words = " ".join(record.getMessage().split())
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            words += f" ({type(error).__name__}: {' '.join(str(error).split())})"
        if self._full:
            words = f"{record.name}: {words}"
            if record.exc_info:
                words += "\n" + self.formatException(record.exc_info)
        if self._journal:
            return f"<{_PRIORITIES.get(record.levelno, 6)}>" + words
        return f"{self.formatTime(record)} {record.levelname:<8} {words}"


class Repetitions(logging.Filter):
    """Holds back what was said a short while ago, and says how often when it is let through again.

    Messages that differ in numbers only count as the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is written."""
        key = re.sub(r"\d+", "#", record.getMessage())
        said_at, held_back = self._said.pop(key, (float("-inf"), 0))
        now = time.monotonic()
        if now - said_at < AGAIN_SECONDS:
            self._said[key] = said_at, held_back + 1
            return False
        self._said[key] = now, 0
        if len(self._said) > _MOST_REMEMBERED:
            self._said.popitem(last=False)
        if held_back:
            minutes = (now - said_at) / 60
            times = f"{held_back} times more in the last {minutes:.0f} min"
            record.msg = f"{record.getMessage()} ({times})"
            record.args = ()
        return True
