"""Which troubles are one: an incident opens with its first alarm and closes with its last.

An alarm that comes amid flagged frames of its stream belongs to theirs; one that comes back soon
for the same cause, to its old one; one that comes at the same time as others on the device, to
theirs: a control room gets one incident, not a flood. Flagged frames belong to the active alarms
of their stream; where there is none, to the frames right before them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from edge_guard.publish.messages import IncidentState

TOGETHER_S = 10.0
"""An alarm that becomes active so soon after the newest of an open incident joins it."""
AMID_S = 2.0
"""An alarm that becomes active so soon after a flagged frame of its stream joins its incident."""
AGAIN_S = 60.0
"""An alarm that comes back so soon after its incident closed opens it again."""


class Key(NamedTuple):
    """One alarm of one stream."""

    stream: str
    alarm: str


@dataclass(slots=True)
class _Incident:
    joined: float
    """When its newest alarm became active."""
    frames_of: str = ""
    """The stream whose flagged frames began it; empty: an alarm did."""
    framed: float = float("-inf")
    """When its newest flagged frame was."""
    active: set[Key] = field(default_factory=set)
    members: set[tuple[Key, str]] = field(default_factory=set)
    """Alarms with the causes that they had."""
    closed: float = 0.0


class Incidents:
    """The incidents of one device.

    Parameters
    ----------
    new_id : callable
        Returns an id that no other incident has.
    """

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._incidents: dict[str, _Incident] = {}

    def of_frame(self, key: Key, now: float, cause: str = "", name: str = "") -> str:
        """Return the incident that a flagged frame is part of; it may be new.

        Parameters
        ----------
        key : Key
            The alarm that more such frames would be.
        now : float
        cause : str
            That it would have.
        name : str
            The incident of the frame before, where they belong together.
        """
        self._forget(now)
        found = name or self._on(key.stream) or self._back(key, cause) or self._fresh(now)
        name = found or self._new_id()
        incident = self._incidents.setdefault(name, _Incident(now, frames_of=key.stream))
        incident.framed = now
        if not incident.active:
            incident.closed = now  # not forgotten yet
        return name

    def began(
        self, key: Key, now: float, cause: str = "", name: str = ""
    ) -> tuple[str, IncidentState]:
        """Return the incident of an alarm that becomes active, and what happens to the incident.

        Parameters
        ----------
        key : Key
        now : float
        cause : str
        name : str
            The incident of the frames that led to it; empty: look for one.
        """
        self._forget(now)
        found = name or self._amid(key.stream, now) or self._back(key, cause) or self._fresh(now)
        name = found or self._new_id()
        incident = self._incidents.setdefault(name, _Incident(now))
        opened: IncidentState = "updated" if incident.active else "opened"
        incident.joined = now
        incident.active.add(key)
        incident.members.add((key, cause))
        return name, opened

    def ended(self, key: Key, now: float) -> tuple[str, IncidentState]:
        """Return the incident of an alarm that clears, and what happens to the incident."""
        name = self.of(key)
        incident = self._incidents[name]
        incident.active.discard(key)
        if incident.active:
            return name, "updated"
        incident.closed = now
        return name, "closed"

    def of(self, key: Key) -> str:
        """Return the incident of an active alarm; empty where it is not active."""
        found = (name for name, incident in self._incidents.items() if key in incident.active)
        return next(found, "")

    def restore(self, key: Key, name: str, cause: str, now: float) -> None:
        """Take up an active alarm of an earlier life."""
        self.began(key, now - TOGETHER_S - 1, cause, name)

    def _on(self, stream: str) -> str:
        """Return the newest incident with an active alarm of the stream."""
        return self._newest(lambda i: any(key.stream == stream for key in i.active))

    def _back(self, key: Key, cause: str) -> str:
        """Return the newest incident that the alarm has been part of for this cause."""
        return self._newest(lambda i: (key, cause) in i.members)

    def _amid(self, stream: str, now: float) -> str:
        """Return the newest incident of frames of the stream, if the last is no older than that."""
        return self._newest(lambda i: i.frames_of == stream and now - i.framed <= AMID_S)

    def _fresh(self, now: float) -> str:
        """Return the newest incident that an alarm of the device has just joined."""
        return self._newest(lambda i: bool(i.active) and now - i.joined <= TOGETHER_S)

    def _newest(self, fits: Callable[[_Incident], bool]) -> str:
        found = (name for name, i in reversed(self._incidents.items()) if fits(i))
        return next(found, "")

    def _forget(self, now: float) -> None:
        over = [n for n, i in self._incidents.items() if not i.active and now - i.closed > AGAIN_S]
        for name in over:
            del self._incidents[name]
