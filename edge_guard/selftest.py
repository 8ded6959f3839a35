"""Proves now and then that a stream's guard still fires: when it is tried, and how it did.

A trial is one test frame, run by the stream's own inspection thread between two live frames, with
the stream's own model. Nothing of it is counted, published or fed to the monitors.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from edge_guard.publish.stamp import rfc3339

STEP_SECONDS = 0.5
"""Busy streams try one test frame this often; idle ones one after the other."""


class Triable(Protocol):
    """What can be tried; ``stream.Inspector`` is one."""

    def trials(self) -> Iterator[str]:
        """Try one test frame a step; yield what is wrong, empty when nothing is."""
        ...


class SelfTestReport(NamedTuple):
    """How a self-test went."""

    trials: int
    failures: tuple[str, ...]
    wall_time: str

    @property
    def passed(self) -> bool:
        """True when every trial did."""
        return not self.failures

    @property
    def words(self) -> str:
        """The report in one sentence."""
        if self.passed:
            return f"passed {self.trials} of {self.trials} trials at {self.wall_time}"
        return (
            f"failed {len(self.failures)} of {self.trials} trials at {self.wall_time}: "
            f"{'; '.join(self.failures)}"
        )


def run_all(guard: Triable) -> SelfTestReport:
    """Return how a guard that no stream uses yet does, at once."""
    test = SelfTest(hours=None)
    while (report := test.step(guard)) is None:
        pass
    return report


class SelfTest:
    """The self-tests of one stream, one trial a step; for its inspection thread.

    Parameters
    ----------
    hours : float or None
        From one to the next; the first is due at once. None: only that one.
    """

    def __init__(self, hours: float | None) -> None:
        self._hours = hours
        self._due = time.monotonic()
        self._next_step = 0.0
        self._trials: Iterator[str] | None = None
        self._words: list[str] = []

    def demand(self) -> None:
        """Start anew at the next step: the guard is another one."""
        self._trials = None
        self._due = time.monotonic()

    def wants_a_step(self, *, idle: bool) -> bool:
        """Return whether a trial should run now; ``idle``: no frame waits."""
        now = time.monotonic()
        return now >= self._due and (idle or now >= self._next_step)

    def step(self, guard: Triable) -> SelfTestReport | None:
        """Run one trial and return the report when it was the last."""
        if self._trials is None:
            self._trials, self._words = guard.trials(), []
        try:
            self._words.append(next(self._trials))
            self._next_step = time.monotonic() + STEP_SECONDS
            return None
        except StopIteration:
            pass
        except Exception as error:  # whatever breaks is a failure, and no end of the stream
            self._words.append(f"the self-test broke: {type(error).__name__}: {error}")
        self._trials = None
        self._due = float("inf") if self._hours is None else time.monotonic() + self._hours * 3600
        failures = tuple(words for words in self._words if words)
        return SelfTestReport(len(self._words), failures, rfc3339(time.time_ns()))
