"""Two devices with one id: their boots speak by turns."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

import msgspec

from edge_guard.collector.parse import Message, Origin
from edge_guard.publish.messages import State

log = logging.getLogger(__name__)

_TURNS = 2
"""Returns of an earlier boot that are proof: its process runs beside that of the later one."""
_STREAK = 20
"""States of one boot in a row after which the other is gone."""
_MOST_BOOTS = 8


@dataclass(slots=True)
class _Speakers:
    newest: dict[str, int] = field(default_factory=dict)
    """By boot: the device's monotonic time of its newest state."""
    speaking: str = ""
    streak: int = 0
    turns: int = 0


class Twins:
    """Watches the boot ids in the devices' states.

    A boot that speaks again, with something new, after another one did cannot have ended before.
    What is delivered twice is nothing new, and a last will is no word of a living device.
    """

    def __init__(self) -> None:
        self._devices: dict[Origin, _Speakers] = {}

    def heard(self, message: Message) -> Message:
        """Return the message; a state of a device that is two gets that as a cause."""
        state = message.body
        if not isinstance(state, State) or state.state == "offline":
            return message
        speakers = self._devices.setdefault(message.origin, _Speakers())
        if not self._note(speakers, state):
            return message
        others = ", ".join(boot for boot in speakers.newest if boot != state.boot_id)
        cause = (
            f"another device uses the id {state.device!r} too (its boots: {others}): "
            "give each device a [device] id of its own"
        )
        changed = msgspec.structs.replace(state, state="degraded", causes=(*state.causes, cause))
        return replace(message, body=changed)

    def _note(self, speakers: _Speakers, state: State) -> bool:
        """Return whether two boots are known to speak by turns."""
        boot, at = state.boot_id, state.monotonic_ns
        if at <= speakers.newest.get(boot, -1):
            return speakers.turns >= _TURNS
        if boot == speakers.speaking:
            speakers.streak += 1
            if speakers.streak >= _STREAK:
                speakers.turns = 0
                speakers.newest = {boot: at}
        else:
            speakers.turns += boot in speakers.newest
            speakers.speaking, speakers.streak = boot, 1
            if speakers.turns == _TURNS:
                log.warning("two devices use the id %r at once", state.device)
        speakers.newest.pop(boot, None)
        speakers.newest[boot] = at
        for oldest in list(speakers.newest)[:-_MOST_BOOTS]:
            del speakers.newest[oldest]
        return speakers.turns >= _TURNS
