"""A change that lasts, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from edge_guard.publish.messages import DriftEvidence
from edge_guard.types import Image

Word = Literal["raised", "updated", "cleared"]


class Incident(msgspec.Struct):
    """A change that lasts."""

    monitor: str
    leading: int
    since_frame: int
    since_wall_ns: int
    since_count: int
    """Frames used before it."""
    took: int
    """Frames from the change to its alarm."""
    due: int
    """Frames used at the next look at its cause."""
    calm: int = 0
    """Calm spells in a row."""
    spell_start: int = 0
    spell_end: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What a monitor has to say.

    Attributes
    ----------
    state : str
    evidence : DriftEvidence
        Without pictures.
    since_wall_ns : int
        Capture time of about the first changed frame.
    before, after : Image or None
        Small pictures of a frame before the change, and of the latest.
    """

    state: Word
    evidence: DriftEvidence
    since_wall_ns: int
    before: Image | None
    after: Image | None


def is_news(before: DriftEvidence | None, now: DriftEvidence) -> bool:
    """Return whether people would want to know: another cause, or a size beyond the last error."""
    if before is None or (before.family, before.words) != (now.family, now.words):
        return True
    if before.size is None or now.size is None or before.error is None:
        return before.size != now.size
    return abs(now.size - before.size) > before.error
