"""Conditions of a stream, and what the drift monitors know of them."""

from __future__ import annotations

from typing import Literal

import msgspec

from edge_guard.publish.messages.stamp import Stamp


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
