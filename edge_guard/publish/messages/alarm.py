"""Conditions of a stream, and what the drift monitors know of them."""

from __future__ import annotations

from typing import Literal

import msgspec

from edge_guard.publish.messages.stamp import Stamp

IsaState = Literal[
    "unacknowledged", "acknowledged", "returned", "normal", "shelved", "out-of-service"
]
"""ISA-18.2 (2016): active and nobody has seen it; active and seen; cleared but nobody has seen it;
cleared and seen; kept quiet for a while; suppressed by design or decision."""
IncidentState = Literal["opened", "updated", "closed"]
USUAL_ALARMS = ("source", "frozen", "flagged", "watchdog", "drift", "self-test", "bundle")
"""Names of the alarms that every stream may raise."""


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
    """A condition of a stream; told anew whenever its state changes or more is known."""

    sequence: int
    stream: str
    alarm: str
    state: Literal["raised", "cleared"]
    """Whether the condition holds now, whatever people have made of the alarm."""
    cause: str
    message: str
    since_wall_time: str
    evidence: dict[str, float]
    drift: DriftEvidence | None = None
    """Of the alarm ``drift``."""
    isa_state: IsaState | None = None
    """None: from a device that does not know of acknowledging."""
    acknowledged: bool = False
    acknowledged_by: str = ""
    shelved_by: str = ""
    shelved_until_wall_time: str | None = None
    shelved_seconds: float = 0.0
    """How long the shelving lasts from when the message was made; what counts after a restart."""
    out_of_service_by: str = ""
    chattering: bool = False
    """Came and went too often: latched until it keeps still."""
    incident: str = ""
    """Id of the trouble that it is part of, with other alarms and events of the device."""
    incident_state: IncidentState | None = None
    """What this message makes of the incident."""


def isa_state(alarm: Alarm) -> IsaState:
    """Return the alarm's state in the words of ISA-18.2, of older devices too."""
    if alarm.isa_state is not None:
        return alarm.isa_state
    return "unacknowledged" if alarm.state == "raised" else "normal"
