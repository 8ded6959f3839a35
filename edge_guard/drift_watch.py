"""The drift monitors of one stream at work: fed, heard, saved; nothing they do stops the stream."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Protocol

from edge_guard.drift.evidence import sentence
from edge_guard.drift.histogram import DEVIATION, Counts
from edge_guard.drift.incident import Report
from edge_guard.drift.model import DriftModel
from edge_guard.drift.monitor import Monitor
from edge_guard.gate.gate import Measurement
from edge_guard.types import Frame, Result

log = logging.getLogger(__name__)

TELL_AGAIN_S = 900.0
"""Spans on a page of an hour hold the references a few times."""
NONE = "none: the bundle has no baselines, calibrate again"


class Voice(Protocol):
    """What monitors speak with; ``reporting.Reporter`` is one."""

    def alarm(self, name: str, active: bool, cause: str, message: str) -> bool:
        """Report whether a condition holds; return whether that is news."""
        ...

    def drift(self, report: Report, message: str) -> None:
        """Post what the monitors say."""
        ...


class DriftWatch:
    """Feeds a stream's monitors and posts their alarms.

    Parameters
    ----------
    stream : str
        Its name.
    model : DriftModel or None
        None: the bundle has no monitors, which is logged and told in the stream's state.
    voice : Voice
    memory : Path
        File that the monitors' state is kept in over restarts.
    """

    def __init__(self, stream: str, model: DriftModel | None, voice: Voice, memory: Path) -> None:
        self._stream, self._voice, self._memory = stream, voice, memory
        self._monitor = Monitor(model) if model else None
        channels = model.spec.channels if model else ()
        self._references = {DEVIATION + c.name: c.counts for c in channels if c.counts}
        self._tell_again = -inf
        self._failure = ""
        self._began = ""
        if self._monitor is None:
            log.warning("stream %s has no drift monitors: %s", stream, NONE)
        else:
            self._began = self._monitor.restore(memory)
            anew = f"begin anew: {self._began}" if self._began else "go on"
            log.info("stream %s: drift monitors %s", stream, anew)

    @property
    def status(self) -> str:
        """What the monitors do, in words."""
        if self._monitor is None:
            return NONE
        return self._failure or self._monitor.status

    @property
    def raised(self) -> bool:
        """Whether a change lasts."""
        return self._monitor is not None and self._monitor.raised

    @property
    def deviations(self) -> dict[str, float]:
        """How far the channels of the last frame are off, in standard deviations."""
        return self._monitor.deviations if self._monitor and not self._failure else {}

    def take(self, frame: Frame, result: Result, seen: Measurement | None) -> bool:
        """Take one frame in, post what the monitors say; return whether that is news."""
        if self._monitor is None or self._failure:
            return False
        try:
            report = self._monitor.update(
                frame,
                result,
                seen.statistics if seen else None,
                seen.cells if seen else None,
            )
        except Exception as error:  # a broken monitor must not stop the inspection
            log.exception("stream %s: the drift monitors failed", self._stream)
            self._failure = f"failed: {type(error).__name__}: {error}"
            return self._voice.alarm("monitors", True, "failed", f"the monitors {self._failure}")
        blind = self._monitor.blind
        words = f"the drift monitors are blind: {blind}" if blind else "the drift monitors see"
        news = self._voice.alarm("monitors", bool(blind), "blind", words)
        return self._post(report) or news

    def references(self, now: float) -> dict[str, Counts]:
        """Return the references' histograms where it is time to tell them: at first, then rarely.

        Parameters
        ----------
        now : float
            Monotonic time, s.
        """
        if now < self._tell_again:
            return {}
        self._tell_again = now + TELL_AGAIN_S
        return self._references

    def save(self) -> None:
        """Keep the monitors' state for after a restart."""
        if self._monitor is None:
            return
        try:
            self._monitor.save(self._memory)
        except OSError as error:
            log.error("cannot keep the monitors' state in %s: %s", self._memory, error.strerror)

    def _post(self, report: Report | None) -> bool:
        if report is None:
            return self._forget()
        since = datetime.fromtimestamp(report.since_wall_ns // 1_000_000_000, UTC)
        words = sentence(report.evidence, f"{since:%Y-%m-%d %H:%M:%S} UTC")
        if report.state == "cleared":
            words = f"over: {words}"
        self._voice.drift(report, words)
        self.save()
        return True

    def _forget(self) -> bool:
        """Clear once what an earlier boot left raised, where its state could not be taken over."""
        began, self._began = self._began, ""
        if not began:
            return False
        return self._voice.alarm("drift", False, "anew", f"the monitors begin anew: {began}")
