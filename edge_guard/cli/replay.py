"""``edge-guard inspect --monitor``: a recording through the drift monitors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_guard.cli.output import Output
from edge_guard.errors import BundleError

if TYPE_CHECKING:
    from edge_guard.bundle import Bundle
    from edge_guard.drift.incident import Report
    from edge_guard.pipeline import Pipeline
    from edge_guard.types import Frame, Result

WINDOW_FRAMES = 600
"""Frames of one summary: a minute at ten frames a second."""

_COLORS = {"raised": "red", "updated": "yellow", "cleared": "green"}


class Replay:
    """Feeds frames of all sources, in the order in which they are given, to one stream's monitors.

    Prints an ``alarm`` record whenever the monitors have something to say, and a ``summary`` record
    of every `WINDOW_FRAMES` frames.

    Parameters
    ----------
    bundle : Bundle
    output : Output

    Raises
    ------
    BundleError
        It has no monitors.
    """

    def __init__(self, bundle: Bundle, output: Output) -> None:
        from edge_guard.drift.model import read_model
        from edge_guard.drift.monitor import Monitor
        from edge_guard.drift.summary import Window

        model = read_model(bundle.manifest.drift, bundle.arrays, bundle.id)
        if model is None:
            raise BundleError(
                f"bundle {bundle.id} has no drift monitors",
                "calibrate again with this edge-guard, or leave out --monitor",
            )
        self._output, self._monitor, self._frames = output, Monitor(model), 0
        self._new_window = Window
        self._window, self._number, self._alarms = Window(), 0, 0

    def take(self, frame: Frame, result: Result, pipeline: Pipeline) -> None:
        """Take the next frame in, just judged by ``pipeline``."""
        from dataclasses import replace

        import msgspec

        seen = pipeline.seen
        placed = replace(frame, sequence=self._frames)
        self._frames += 1
        report = self._monitor.update(
            placed, result, seen.statistics if seen else None, seen.cells if seen else None
        )
        if report:
            self._say(report, frame, msgspec.to_builtins(report.evidence))
        self._window.add(
            result, pipeline.statistics if seen else {}, self._monitor.deviations if seen else {}
        )
        if self._window.frames == WINDOW_FRAMES:
            self._close_window()

    def end(self) -> None:
        """Close the last window and say what the monitors make of the whole."""
        if self._window.frames:
            self._close_window()
        for cause, frames in self._monitor.skipped.items():
            self._output.text(f"  the monitors left out {frames} frames that {cause}")
        self._output.text(
            f"monitors: {self._alarms} alarm(s) in {self._frames} frames, {self._monitor.status}",
            color="bold",
        )

    def _say(self, report: Report, frame: Frame, evidence: dict[str, Any]) -> None:
        from edge_guard.drift.evidence import sentence

        self._alarms += report.state == "raised"
        since = f"frame {report.evidence.since_frame}"
        words = sentence(report.evidence, since)
        self._output.record(
            {
                "type": "alarm",
                "alarm": "drift",
                "state": report.state,
                "source": frame.source,
                "frame": self._frames - 1,
                "message": words,
                "evidence": {k: v for k, v in evidence.items() if k not in ("before", "after")},
            }
        )
        self._output.text(
            f"{report.state:<8}frame {self._frames - 1}: {words}", color=_COLORS[report.state]
        )

    def _close_window(self) -> None:
        window = self._window
        self._output.record(
            {
                "type": "summary",
                "window": self._number,
                "frames": window.frames,
                "verdicts": window.verdicts,
                "labels": window.labels,
                "reasons": window.reasons,
                "statistics": window.statistics(),
                "histograms": window.histograms(),
            }
        )
        self._number += 1
        self._window = self._new_window()
