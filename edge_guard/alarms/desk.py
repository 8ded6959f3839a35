"""All alarms of a device: the one owner of their life."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from edge_guard.alarms.condition import Condition, Standing
from edge_guard.alarms.incidents import Incidents, Key
from edge_guard.alarms.rules import Rules
from edge_guard.publish.messages import IncidentState


@dataclass(frozen=True, slots=True)
class Change:
    """Something to be told of one alarm.

    Attributes
    ----------
    key : Key
    standing : Standing
        How it stands now.
    incident : str
        The incident that it belongs to; empty: none.
    incident_state : str or None
        What this change makes of the incident.
    """

    key: Key
    standing: Standing
    incident: str = ""
    incident_state: IncidentState | None = None


class Desk:
    """Follows every alarm that was ever reported, and says what has changed.

    Parameters
    ----------
    rules : callable
        Returns the rules of an alarm by its name.
    new_id : callable
        Returns an id for an incident.
    """

    def __init__(self, rules: Callable[[str], Rules], new_id: Callable[[], str]) -> None:
        self._rules = rules
        self._conditions: dict[Key, Condition] = {}
        self._incident: dict[Key, str] = {}
        self._cause: dict[Key, str] = {}
        self._due = float("inf")  # until then nothing changes by itself
        self.incidents = Incidents(new_id)

    def restore(self, key: Key, standing: Standing, incident: str, cause: str, now: float) -> None:
        """Take up an alarm of an earlier life."""
        self._conditions[key] = Condition(self._rules(key.alarm), now, standing)
        self._incident[key] = incident
        if standing.active and incident:
            self.incidents.restore(key, incident, cause, now)
        self._look_ahead()

    def report(
        self, key: Key, holds: bool, now: float, cause: str = "", incident: str = ""
    ) -> list[Change]:
        """Take up whether a condition holds; return what has changed, of this alarm and others.

        Parameters
        ----------
        key : Key
        holds : bool
        now : float
        cause : str
            What tells one trouble of this alarm from the next.
        incident : str
            The incident that it belongs to, if it is known before the alarm.
        """
        if now < self._due and holds == self.holds(key):
            return []
        changes = self.tick(now)
        if key not in self._conditions:
            if not holds:
                return changes
            self._conditions[key] = Condition(self._rules(key.alarm), now)
        if holds:
            self._cause[key] = cause
        condition = self._conditions[key]
        return changes + self._change(key, lambda: condition.report(holds, now), now, incident)

    def tick(self, now: float) -> list[Change]:
        """Let what is due by ``now`` happen; return what has changed."""
        if now < self._due:
            return []
        due = [(key, c) for key, c in self._conditions.items() if c.due() <= now]
        changes: list[Change] = []
        for key, condition in due:
            changes += self._change(key, partial(condition.settle, now), now)
        return changes

    def acknowledge(self, key: Key, by: str, now: float) -> list[Change]:
        """Somebody has seen the alarm.

        Raises
        ------
        KeyError
            There never was one; as in every method below.
        """
        condition = self._conditions[key]
        return self._change(key, lambda: condition.acknowledge(by), now)

    def shelve(self, key: Key, until: float, by: str, now: float) -> list[Change]:
        """Keep the alarm quiet until then."""
        condition = self._conditions[key]
        return self._change(key, lambda: condition.shelve(until, by), now)

    def unshelve(self, key: Key, now: float) -> list[Change]:
        """End the shelving."""
        condition = self._conditions[key]
        return self._change(key, condition.unshelve, now)

    def serve(self, key: Key, out_of_service_by: str, now: float) -> list[Change]:
        """Take the alarm out of service in somebody's name; an empty one: back into service.

        An alarm that has never come can be taken out of service, too.
        """
        condition = self._conditions.setdefault(key, Condition(self._rules(key.alarm), now))
        return self._change(key, lambda: condition.serve(out_of_service_by), now)

    def holds(self, key: Key) -> bool:
        """Return whether the condition held when it was last reported."""
        return key in self._conditions and self._conditions[key].holds

    def active(self, key: Key) -> bool:
        """Return whether the alarm is active."""
        return key in self._conditions and self._conditions[key].standing.active

    def now(self, key: Key) -> Change:
        """Return how an alarm stands, as something to be told."""
        return Change(key, self._conditions[key].standing, self._incident.get(key, ""))

    def __iter__(self) -> Iterator[Key]:
        """Return the alarms that there ever were, first reported first."""
        return iter(tuple(self._conditions))

    def __contains__(self, key: Key) -> bool:
        """Return whether there ever was such an alarm."""
        return key in self._conditions

    def _change(
        self, key: Key, act: Callable[[], None], now: float, incident: str = ""
    ) -> list[Change]:
        condition = self._conditions[key]
        before = condition.standing
        act()
        after = condition.standing
        self._look_ahead()
        if after == before:
            return []
        state: IncidentState | None = None
        if after.active and not before.active:
            cause = self._cause.get(key, "")
            self._incident[key], state = self.incidents.began(key, now, cause, incident)
        elif before.active and not after.active and self.incidents.of(key):
            self._incident[key], state = self.incidents.ended(key, now)
        return [Change(key, after, self._incident.get(key, ""), state)]

    def _look_ahead(self) -> None:
        self._due = min((c.due() for c in self._conditions.values()), default=float("inf"))
