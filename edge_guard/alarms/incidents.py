"""Which troubles are one: an incident opens with its first alarm and closes with its last.

An alarm that comes back soon belongs to its old incident; one that comes at the same time as
others on the device belongs to theirs, so that a control room gets one incident, not a flood.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from edge_guard.publish.messages import IncidentState

TOGETHER_S = 10.0
"""An alarm that becomes active so soon after the newest of an open incident joins it."""
AGAIN_S = 60.0
"""An alarm that comes back so soon after its incident closed opens it again."""


class Key(NamedTuple):
    """One alarm of one stream."""

    stream: str
    alarm: str


@dataclass(slots=True)
class _Incident:
    joined: float
    active: set[Key] = field(default_factory=set)
    members: set[Key] = field(default_factory=set)
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

    def candidate(self, key: Key, now: float) -> str:
        """Return the incident that ``key`` would belong to if it began now; it may be new."""
        self._forget(now)
        for name, incident in reversed(self._incidents.items()):
            if key in incident.members:
                return name
        for name, incident in reversed(self._incidents.items()):
            if incident.active and now - incident.joined <= TOGETHER_S:
                return name
        return self._new_id()

    def began(self, key: Key, now: float, name: str = "") -> tuple[str, IncidentState]:
        """Return the incident of an alarm that becomes active, and what happens to the incident.

        Parameters
        ----------
        key : Key
        now : float
        name : str
            A former ``candidate``, to be taken; empty: look for one.
        """
        name = name or self.candidate(key, now)
        incident = self._incidents.setdefault(name, _Incident(now))
        opened: IncidentState = "updated" if incident.active else "opened"
        incident.joined = now
        incident.active.add(key)
        incident.members.add(key)
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

    def restore(self, key: Key, name: str, now: float) -> None:
        """Take up an active alarm of an earlier life."""
        self.began(key, now - TOGETHER_S - 1, name)

    def _forget(self, now: float) -> None:
        over = [n for n, i in self._incidents.items() if not i.active and now - i.closed > AGAIN_S]
        for name in over:
            del self._incidents[name]
