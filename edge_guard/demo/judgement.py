"""Did the guard catch what the script of the footage says happened?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from edge_guard.demo.assets import Script, ScriptedEvent
from edge_guard.publish.messages import Event


class Scripted(msgspec.Struct, frozen=True):
    """One scripted event's outcome.

    Attributes
    ----------
    event : str
    caught : bool
        ``reason`` is a right one.
    reason : str or None
        The guard that led most often while it lasted; None: nothing was flagged.
    delay_frames : int or None
        Frames from the event's first to the first that was rightly flagged.
    """

    event: str
    caught: bool
    reason: str | None
    delay_frames: int | None


def judge(script: Script, flagged: Iterable[Event], frames: int) -> list[Scripted]:
    """Return the outcome of each event that was played to its end, in the script's order.

    Parameters
    ----------
    script : Script
    flagged : iterable of Event
        What the device reported, in any order; its first play of the footage counts.
    frames : int
        How many frames it inspected.
    """
    ordered = sorted(flagged, key=lambda event: event.frame_sequence)
    played = [event for event in script.events if event.last_frame < frames]
    return [_outcome(event, ordered) for event in played]


def _outcome(scripted: ScriptedEvent, flagged: list[Event]) -> Scripted:
    during = [
        (event.frame_sequence, event.reasons[0].guard)
        for event in flagged
        if scripted.first_frame <= event.frame_sequence <= scripted.last_frame and event.reasons
    ]
    common = Counter(guard for _, guard in during).most_common(1)
    reason = common[0][0] if common else None
    right = next((frame for frame, guard in during if guard in scripted.expected), None)
    delay = None if right is None else right - scripted.first_frame
    return Scripted(scripted.name, reason in scripted.expected, reason, delay)
