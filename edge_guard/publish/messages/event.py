"""One frame's messages: an event for a flagged or audited one, a result where all are wanted."""

from __future__ import annotations

import msgspec

from edge_guard.publish.messages.stamp import Stamp
from edge_guard.types import Detection, Reason, Timing, Verdict

HEAT_UNIT = 64
"""What a heat grid writes for 1."""
MOST_HEAT_SIDE = 32
"""Cells along a side of a heat grid."""
MOST_RESEMBLED, MOST_RESEMBLED_BYTES = 3, 3000
"""References that an event names, and bytes of each one's picture."""

MOST_DETECTIONS = 100
"""Boxes that an event tells, the best."""


class ImageReference(msgspec.Struct, frozen=True):
    """The picture that belongs to an event and travels on ``image/{stream}/{event_id}``."""

    sha256: str
    size_bytes: int
    width_px: int
    height_px: int


class HeatGrid(msgspec.Struct, frozen=True):
    """Where a flagged frame is unlike the references, coarsely."""

    width: int
    height: int
    cells: bytes
    """Row after row, one byte each: 64 is 1, the distance that good frames exceed anywhere no more
    often than promised; 255 is that or more."""
    area: tuple[float, float, float, float]
    """x, y, width, height of what the cells cover, in px of the frame; may reach beyond it."""


class Resembled(msgspec.Struct, frozen=True):
    """A reference that a flagged frame resembles."""

    name: str
    view: str
    """The view of the bundle in which it is the nearest."""
    words: str
    """The same for people."""
    picture: bytes | None = None
    """Small JPEG of at most `MOST_RESEMBLED_BYTES`; None where there is none."""


class Event(Stamp, frozen=True, kw_only=True):
    """One flagged frame, or one taken at random for an audit."""

    event_id: str
    """``{boot_id}-{sequence}``."""
    sequence: int
    stream: str
    frame_sequence: int
    captured_wall_time: str
    source: str
    verdict: Verdict
    label: str | None
    confidence: float | None
    p_value: float | None
    scores: dict[str, float]
    reasons: tuple[Reason, ...]
    timing_us: Timing
    bundle: str
    image: ImageReference | None
    image_dropped: str | None = None
    """Why the picture will never come, when the spool had to give it up."""
    detections: tuple[Detection, ...] | None = None
    """What a detector has found, best first, at most `MOST_DETECTIONS`; None for other tasks."""
    heatmap: HeatGrid | None = None
    """None for frames that the model did not see, and for models without feature maps."""
    nearest: tuple[Resembled, ...] = ()
    """At most `MOST_RESEMBLED`; empty for frames that the model did not see."""
    sampled: float | None = None
    """With which probability this frame was drawn for an audit, whatever its verdict; None for
    frames that were not. An accepted frame has an event only when it was drawn, diverse or
    captured."""
    diverse: float | None = None
    """How unlike those sent before this accepted frame is, where it was sent for that, root mean
    square in standard deviations; None where it was not. Chosen, not drawn: for no rate."""
    captured: str = ""
    """Id of the command that asked for this picture, whatever its verdict; empty: nobody did."""
    incident: str = ""
    """Id of the trouble that it is part of, with other events and alarms; empty: of none."""
    product: str = ""
    """The product that the frame shows; empty on streams without products, and for frames of no
    known product, whose ``bundle`` is empty, too."""
    part_id: str = ""
    """The part that the frame's trigger named; empty: it named none, or the stream has none."""


class FrameResult(Stamp, frozen=True, kw_only=True):
    """One frame's verdict, for streams with ``publish = "all"``."""

    sequence: int
    stream: str
    frame_sequence: int
    verdict: Verdict
    label: str | None
    confidence: float | None
    p_value: float | None
    bundle: str = ""
    """What judged it; empty: the device does not say, or the frame is of no known product."""
    product: str = ""
    """The product that the frame shows; empty on streams without products."""
    part_id: str = ""
    """The part that the frame's trigger named."""
