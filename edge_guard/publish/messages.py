"""Every message between device and collector: payload types, topics, encoding.

The identity of a stored message is (device, boot_id, sequence): ``sequence`` counts from 1 in each
boot and is taken inside the spool's transaction. A message with a picture counts as stored when
both it and its picture are. Wall time is for people: nothing is ordered or deduplicated by it.

A collector takes a sequence as done, and counts it in its receipts, when it is stored or when a
``Dropped`` message names it. What is stored wins: a report of a stored sequence changes nothing,
and a message that arrives after its report is stored. An event that arrives again with
``image_dropped`` waits for its picture no longer. What arrives again is in the next receipt again:
the device may not have seen the last one. Receipts are taken back by nobody: a device
forgets what they cover, so they are sent after the database commit only. Messages come in any
order; an alarm is as new as its (boot, sequence), whatever arrives last.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec

from edge_guard.errors import ConfigError
from edge_guard.types import Reason, Timing, Verdict

SCHEMA_VERSION = 1
PREFIX = "edge-guard/v1"
HEAT_UNIT = 64
"""What a heat grid writes for 1."""
MOST_HEAT_SIDE = 32
"""Cells along a side of a heat grid."""
MOST_RESEMBLED, MOST_RESEMBLED_BYTES = 3, 3000
"""References that an event names, and bytes of each one's picture."""


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """What every message from a device carries."""

    schema_version: int = SCHEMA_VERSION
    device: str
    boot_id: str
    wall_time: str
    """RFC 3339, UTC."""
    monotonic_ns: int
    clock_synchronised: bool


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
    """One flagged frame."""

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
    heatmap: HeatGrid | None = None
    """None for frames that the model did not see, and for models without feature maps."""
    nearest: tuple[Resembled, ...] = ()
    """At most `MOST_RESEMBLED`; empty for frames that the model did not see."""


class FrameResult(Stamp, frozen=True, kw_only=True):
    """One frame's verdict, for streams with ``publish = "all"``."""

    sequence: int
    stream: str
    frame_sequence: int
    verdict: Verdict
    label: str | None
    confidence: float | None
    p_value: float | None


class Moments(msgspec.Struct, frozen=True):
    """Mergeable moments of one statistic (Chan, Golub & LeVeque 1979)."""

    n: int
    mean: float
    m2: float
    minimum: float
    maximum: float


class Summary(Stamp, frozen=True, kw_only=True):
    """What one stream saw in one window; windows merge exactly in any order."""

    sequence: int
    stream: str
    bundle: str
    window: int
    """Number of the window in this boot, from 0."""
    frames: int
    verdicts: dict[str, int]
    labels: dict[str, int]
    reasons: dict[str, int]
    """Leading reasons by guard."""
    statistics: dict[str, Moments]
    dropped_at_capture: dict[str, int]
    dropped_from_spool: dict[str, int]
    """Messages given up under quota since the spool exists, by ``kind/cause``."""
    histograms: dict[str, tuple[int, ...]] = {}
    """Integer counts in the fixed bins of `edge_guard.drift.histogram`."""
    bins: int = 0
    """Version of those bins; 0 where there are none."""


class Moved(msgspec.Struct, frozen=True):
    """What one channel of the drift monitors was, and is."""

    name: str
    unit: str
    before: float
    """Mean of the references."""
    after: float
    """Mean since the change."""
    deviations: float
    """The change in standard deviations of one frame."""


class DriftEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the drift monitors saw."""

    family: str
    """``illumination``, ``focus``, ``noise``, ``colour``, ``dirt``, ``object``, ``translation``,
    ``rotation``, ``scale``, ``product mix``, ``model`` or ``other``."""
    words: str
    similarity: float
    """To the known change that it is most like, -1 to 1."""
    monitor: Literal["charts", "ranks"]
    since_frame: int
    """Sequence of about the first changed frame."""
    frames: int
    """Frames that the evidence is the mean of."""
    size: float | None
    error: float | None
    """Of the size, two standard errors."""
    unit: str
    statistics: tuple[Moved, ...]
    """Channels that moved, most deviating first."""
    cells: tuple[float, ...]
    """Change of the mean of each of the picture's 8 x 8 cells, grey levels, row after row."""
    before: bytes | None = None
    """Small JPEG of a frame before the change; None where none is kept."""
    after: bytes | None = None


class Alarm(Stamp, frozen=True, kw_only=True):
    """A condition of a stream, raised or cleared; a raised one may come again with more known."""

    sequence: int
    stream: str
    alarm: str
    state: Literal["raised", "cleared"]
    cause: str
    message: str
    since_wall_time: str
    evidence: dict[str, float]
    drift: DriftEvidence | None = None
    """Of the alarm ``drift``."""


class Dropped(Stamp, frozen=True, kw_only=True):
    """Messages that the device had to give up and that will not come; closes their gaps."""

    sequence: int
    """Of this report itself, in ``boot_id``."""
    of_boot: str
    """The boot whose messages are lost; may be an earlier one."""
    kind: Literal["event", "result", "summary", "alarm", "dropped"]
    cause: str
    """``quota`` (events and results only) or ``damaged`` (unreadable on the device's disk)."""
    sequences: tuple[tuple[int, int], ...]
    """Inclusive ranges, ascending."""


class StreamState(msgspec.Struct, frozen=True):
    """One stream, as it is now."""

    name: str
    state: str
    """``starting``, ``running``, ``retrying``, ``frozen``, ``ended``, ``failed``."""
    cause: str
    bundle: str
    last_frame_wall_time: str | None
    frames: int
    frames_per_second: float
    verdicts: dict[str, int]
    dropped: dict[str, int]
    monitors: str = ""
    """What the drift monitors do, in words; empty where the device does not say."""


class State(Stamp, frozen=True, kw_only=True):
    """The device, as it is now; retained. ``offline`` is also the last will."""

    state: Literal["online", "degraded", "offline"]
    causes: tuple[str, ...]
    version: str
    streams: tuple[StreamState, ...] = ()
    produced: int = 0
    """Highest sequence of this boot."""
    backlog: int = 0
    """Messages in the spool that wait for a receipt."""


class BootReceipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the collector has of one boot: 1..highest without ``gaps`` (inclusive ranges)."""

    boot_id: str
    contiguous: int
    highest: int
    gaps: tuple[tuple[int, int], ...] = ()


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The collector's word that messages are in its database."""

    collector: str
    boots: tuple[BootReceipt, ...]
    schema_version: int = SCHEMA_VERSION


SpooledMessage = Event | FrameResult | Summary | Alarm | Dropped
M = TypeVar("M", bound=msgspec.Struct)
_encoder = msgspec.json.Encoder()


def encode(message: msgspec.Struct) -> bytes:
    """Return the message as UTF-8 JSON."""
    return _encoder.encode(message)


def decode(payload: bytes, kind: type[M]) -> M:
    """Return the message in ``payload``.

    Raises
    ------
    msgspec.ValidationError, msgspec.DecodeError
        It is not a message of this kind.
    """
    return msgspec.json.decode(payload, type=kind)


class Topics:
    """The topics of one device: ``{prefix}/{site}/{line}/{device}/…``."""

    def __init__(self, site: str, line: str, device: str, prefix: str = PREFIX) -> None:
        for key, level in (("site", site), ("line", line), ("id", device)):
            if not level or set(level) & set("/+#\0"):
                raise ConfigError(
                    f"device {key} {level!r} cannot be part of an MQTT topic",
                    "use letters, digits, '-' and '_'",
                )
        self.base = f"{prefix}/{site}/{line}/{device}"

    def state(self) -> str:
        """Return the retained topic of the device's state and last will."""
        return f"{self.base}/state"

    def event(self, stream: str) -> str:
        """Return the topic of flagged frames."""
        return f"{self.base}/event/{stream}"

    def image(self, stream: str, event_id: str) -> str:
        """Return the topic of one event's picture."""
        return f"{self.base}/image/{stream}/{event_id}"

    def result(self, stream: str) -> str:
        """Return the topic of every frame's verdict."""
        return f"{self.base}/result/{stream}"

    def summary(self, stream: str) -> str:
        """Return the topic of window summaries."""
        return f"{self.base}/summary/{stream}"

    def alarm(self, stream: str, alarm: str) -> str:
        """Return the retained topic of one alarm."""
        return f"{self.base}/alarm/{stream}/{alarm}"

    def dropped(self) -> str:
        """Return the topic of reports of messages that will not come."""
        return f"{self.base}/dropped"

    def receipt(self) -> str:
        """Return the topic on which the collector answers."""
        return f"{self.base}/receipt"
