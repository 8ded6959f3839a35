"""One stream's voice: verdicts, summaries and alarms as messages on the device's disk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

import msgspec
import numpy as np

from edge_guard.annunciator import Annunciator
from edge_guard.backends.preprocess import encode_jpeg
from edge_guard.config import StreamTable
from edge_guard.drift.histogram import BINS_VERSION, Counts
from edge_guard.drift.incident import Report
from edge_guard.drift.summary import Window
from edge_guard.errors import EdgeGuardError
from edge_guard.publish.messages import (
    HEAT_UNIT,
    MOST_DETECTIONS,
    MOST_HEAT_SIDE,
    MOST_RESEMBLED,
    MOST_RESEMBLED_BYTES,
    Alarm,
    Event,
    FrameResult,
    HeatGrid,
    ImageReference,
    Resembled,
    Summary,
)
from edge_guard.publish.outbox import Numbered, Outbox, event_id
from edge_guard.publish.sampling import Drawn
from edge_guard.publish.stamp import rfc3339
from edge_guard.sources.contract import FORMAT, Damaged
from edge_guard.types import Frame, Heat, Image, Nearest, Result, Verdict

USUAL = Drawn()
"""A frame that was not drawn."""
NO_COUNTS: Mapping[str, Counts] = MappingProxyType({})
DRIFT = "drift"
"""Name of the drift monitors' alarm."""

_MOST_THUMBNAIL_BYTES = 3000
"""So that a message stays small, and each text in it shorter than collectors take."""


class Reporter:
    """Posts what one stream has to say. Each message is on the disk when its method returns.

    Parameters
    ----------
    outbox : Outbox
    stream : StreamTable
    bundle : str
        Id of the bundle that judges the stream.
    annunciator : Annunciator, optional
        The device's; left out: one of its own.
    product : str
        The product that the bundle is for; empty on streams without products.
    """

    def __init__(
        self,
        outbox: Outbox,
        stream: StreamTable,
        bundle: str,
        annunciator: Annunciator | None = None,
        product: str = "",
    ) -> None:
        self._outbox = outbox
        self._topics = outbox.topics
        self._stream = stream
        self._bundle = bundle
        self._product = product
        self._annunciator = annunciator or Annunciator(outbox)
        self.picture_bytes = 0
        """Size of the last event's picture; 0 where it had none."""

    def follow(self, stream: StreamTable) -> None:
        """Go on with other settings."""
        self._stream = stream

    def about(self, product: str, bundle: str) -> Reporter:
        """Return a voice of the same stream for another product and bundle."""
        return Reporter(self._outbox, self._stream, bundle, self._annunciator, product)

    def adopt(self, alarm: Alarm) -> None:
        """Go on with an alarm that an earlier boot left."""
        self._annunciator.adopt(alarm)

    def verdict(
        self,
        frame: Frame | Damaged,
        result: Result,
        drawn: Drawn = USUAL,
        captured: str = "",
        incident: str = "",
    ) -> str | None:
        """Post a frame's verdict: an event unless accepted, a result where all are wanted.

        Returns the event's id; None where there is none, or the disk refused it.

        Parameters
        ----------
        frame, result : Frame or Damaged, Result
        drawn : Drawn, optional
            Why it has an event anyway.
        captured : str
            The command that asked for the picture; it has an event anyway.
        incident : str
            The trouble that it is part of.
        """
        named = None
        if result.verdict != Verdict.ACCEPT or drawn != USUAL or captured:
            named = self._event(frame, result, drawn, captured, incident)
        if self._stream.publish == "all":
            self._outbox.post(
                "result",
                self._topics.result(self._stream.name),
                lambda numbered: FrameResult(
                    **numbered,
                    stream=self._stream.name,
                    frame_sequence=frame.sequence,
                    verdict=result.verdict,
                    label=result.label,
                    confidence=result.confidence,
                    p_value=result.p_value,
                    bundle=self._bundle,
                    product=self._product,
                    part_id=frame.part_id,
                ),
            )
        return named

    def summary(
        self,
        number: int,
        window: Window,
        dropped: Mapping[str, int],
        references: Mapping[str, Counts] = NO_COUNTS,
    ) -> None:
        """Post the summary of a window.

        Parameters
        ----------
        number : int
            Of the window in this boot, from 0.
        window : Window
        dropped : mapping of str to int
            Frames that were dropped at capture in this window, by cause.
        references : mapping of str to tuple of int, optional
            Histograms of the bundle's references, where they are to be told.
        """
        losses = self._outbox.losses()
        self._outbox.post(
            "summary",
            self._topics.summary(self._stream.name),
            lambda numbered: Summary(
                **numbered,
                stream=self._stream.name,
                bundle=self._bundle,
                product=self._product,
                window=number,
                frames=window.frames,
                verdicts=dict(window.verdicts),
                labels=dict(window.labels),
                reasons=dict(window.reasons),
                statistics=window.statistics(),
                histograms=window.histograms(),
                bins=BINS_VERSION,
                references=dict(references),
                accuracy=window.accuracy(),
                dropped_at_capture=dict(dropped),
                dropped_from_spool=losses,
            ),
        )

    def alarm(self, name: str, active: bool, cause: str, message: str, incident: str = "") -> bool:
        """Report whether a condition holds; return whether that is news."""
        return self._annunciator.report(self._stream.name, name, active, cause, message, incident)

    def tick(self) -> bool:
        """Let delays and shelvings end; return whether that is news."""
        return self._annunciator.tick()

    def incident(self, name: str) -> str:
        """Return the incident of an active alarm of the stream; empty where it is not active."""
        return self._annunciator.incident(self._stream.name, name)

    def incident_of_frame(self, name: str, cause: str, before: str) -> str:
        """Return the incident of a flagged frame; ``before``: of the one that it goes with."""
        return self._annunciator.incident_of_frame(self._stream.name, name, cause, before)

    def drift(self, report: Report, message: str) -> None:
        """Post what the drift monitors say, with small pictures of before and after.

        Parameters
        ----------
        report : Report
        message : str
            It in one sentence.
        """
        evidence = msgspec.structs.replace(
            report.evidence, before=_thumbnail(report.before), after=_thumbnail(report.after)
        )
        self._annunciator.drift(
            self._stream.name,
            DRIFT,
            report.state != "cleared",
            evidence,
            message,
            rfc3339(report.since_wall_ns),
        )

    def alarms(self) -> tuple[str, ...]:
        """Return the messages of the alarms that are active and not kept quiet."""
        return self._annunciator.causes(self._stream.name)

    def _event(
        self,
        frame: Frame | Damaged,
        result: Result,
        drawn: Drawn,
        captured: str,
        incident: str,
    ) -> str | None:
        jpeg, lost = self._encoded(frame)
        self.picture_bytes = len(jpeg or b"")
        image = None
        if jpeg is not None and isinstance(frame, Frame):
            height, width = frame.image.shape[:2]
            image = ImageReference(hashlib.sha256(jpeg).hexdigest(), len(jpeg), width, height)

        def make(numbered: Numbered) -> Event:
            return Event(
                **numbered,
                event_id=event_id(numbered["boot_id"], numbered["sequence"]),
                stream=self._stream.name,
                frame_sequence=frame.sequence,
                captured_wall_time=rfc3339(frame.wall_ns),
                source=frame.source,
                verdict=result.verdict,
                label=result.label,
                confidence=result.confidence,
                p_value=result.p_value,
                scores=result.scores,
                reasons=result.reasons,
                timing_us=result.timing_us,
                bundle=self._bundle,
                product=self._product,
                image=image,
                image_dropped=lost,
                detections=result.detections and result.detections[:MOST_DETECTIONS],
                heatmap=None if result.heat is None else heat_grid(result.heat),
                nearest=tuple(_resembled(like) for like in result.nearest[:MOST_RESEMBLED]),
                sampled=drawn.sampled,
                diverse=drawn.diverse,
                captured=captured,
                incident=incident,
                part_id=frame.part_id,
            )

        picture = None if jpeg is None else (self._stream.name, jpeg)
        topic = self._topics.event(self._stream.name)
        sequence = self._outbox.post("event", topic, make, picture)
        return None if sequence is None else event_id(self._outbox.spool.boot_id, sequence)

    def _encoded(self, frame: Frame | Damaged) -> tuple[bytes | None, str | None]:
        """Return the JPEG, or why there is none."""
        if isinstance(frame, Damaged):
            return None, "undecodable" if frame.guard == FORMAT else "never taken"
        try:
            return encode_jpeg(frame.image, self._stream.jpeg_quality), None
        except EdgeGuardError as error:
            return None, str(error)


def heat_grid(heat: Heat) -> HeatGrid:
    """Return the heat as it travels: at most 32 × 32 cells, each the hottest of what it covers."""
    cells = heat.cells
    for axis in (0, 1):
        starts = np.arange(0, cells.shape[axis], -(-cells.shape[axis] // MOST_HEAT_SIDE))
        cells = np.maximum.reduceat(cells, starts, axis)
    scaled = np.clip(np.rint(cells * HEAT_UNIT), 0, 255).astype(np.uint8)
    return HeatGrid(cells.shape[1], cells.shape[0], scaled.tobytes(), heat.area)


def _resembled(like: Nearest) -> Resembled:
    fits = 0 < len(like.picture) <= MOST_RESEMBLED_BYTES
    return Resembled(like.name, like.view, like.words, like.picture if fits else None)


def _thumbnail(picture: Image | None) -> bytes | None:
    """Return a small JPEG, as good as fits; None where there is no picture or none fits."""
    if picture is None:
        return None
    for quality in (80, 60, 40, 20):
        jpeg = encode_jpeg(picture, quality)
        if len(jpeg) <= _MOST_THUMBNAIL_BYTES:
            return jpeg
    return None
