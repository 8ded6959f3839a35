"""What verdicts mean for a stream's alarms, and which incident a frame is part of."""

from __future__ import annotations

from edge_guard.alarms.burst import WINDOW, Burst
from edge_guard.reporting import Reporter
from edge_guard.types import Reason, Result, Verdict


class Trouble:
    """Follows the verdicts of one stream; for the thread that reports them.

    Parameters
    ----------
    reporter : Reporter

    Attributes
    ----------
    frozen : bool
        Whether the last frame was an old picture again.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._burst = Burst()
        self._run = ""
        self.frozen = False
        self.news = False

    def take(self, result: Result) -> str:
        """Report to the alarms; return the incident that the frame is part of, empty: none.

        ``news`` tells whether an alarm has changed.
        """
        self.news = False
        leading = result.reasons[0] if result.reasons else Reason("accept", "", None)
        self.frozen, hung = leading.guard == "gate.frozen", leading.guard == "watchdog"
        words = leading.message if self.frozen else "the picture moves again"
        self._alarm("frozen", self.frozen, "gate.frozen", words)
        if not hung:
            self._alarm("watchdog", False, "answered", "the model answers again")
        if self.frozen or hung:
            return self._reporter.incident("frozen" if self.frozen else "watchdog")
        return self._flagged(leading, flagged=result.verdict != Verdict.ACCEPT)

    def _flagged(self, leading: Reason, *, flagged: bool) -> str:
        begins = self._burst.update(flagged)
        if flagged:
            before = "" if begins else self._run
            self._run = self._reporter.incident_of_frame("flagged", leading.guard, before)
        words = "few frames go to a person again"
        if self._burst.active:
            words = (
                f"at least half of {WINDOW} frames go to a person; the latest: {leading.message}"
            )
        self._alarm("flagged", self._burst.active, leading.guard, words, self._run)
        return self._run if flagged else ""

    def _alarm(self, name: str, holds: bool, cause: str, words: str, incident: str = "") -> None:
        self.news |= self._reporter.alarm(name, holds, cause, words, incident)
