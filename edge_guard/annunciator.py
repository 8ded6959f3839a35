"""The alarms of a device as messages: each change of one is on the disk when its method returns."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import msgspec

from edge_guard.alarms.condition import Standing
from edge_guard.alarms.desk import Change, Desk
from edge_guard.alarms.incidents import Key
from edge_guard.alarms.rules import Rules
from edge_guard.config import ALARM_NAMES, AlarmTable
from edge_guard.publish.messages import Alarm, DriftEvidence, decode, isa_state
from edge_guard.publish.outbox import Numbered, Outbox
from edge_guard.publish.stamp import rfc3339

log = logging.getLogger(__name__)

BY_CONFIGURATION = "the configuration"
"""Who has taken an alarm out of service that ``[[alarm]]`` says to be."""
_RULES = {"source": Rules(off_delay_s=2.0)}
"""Where delays make sense of themselves: a camera that comes back often goes again at once."""


@dataclass(frozen=True, slots=True)
class _Word:
    """What there is to say of a condition."""

    holds: bool
    cause: str
    message: str
    since_wall_time: str
    drift: DriftEvidence | None = None


class Annunciator:
    """Follows the conditions of all streams and posts each change of their alarms. Thread-safe.

    Parameters
    ----------
    outbox : Outbox
    tables : iterable of AlarmTable
        The configuration of single alarms.
    clock : callable
        Returns seconds that only go forward.
    """

    def __init__(
        self,
        outbox: Outbox,
        tables: Iterable[AlarmTable] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outbox = outbox
        self._tables: dict[str, AlarmTable] = {table.name: table for table in tables}
        self._clock = clock
        self._mutex = threading.RLock()
        self._desk = Desk(self._rules, lambda: uuid.uuid4().hex[:12])
        self._words: dict[Key, _Word] = {}
        self._coming: dict[Key, _Word] = {}  # what is said once a delay is over

    def resume(self, streams: Collection[str]) -> None:
        """Go on with the alarms that earlier boots left, on the streams that there still are."""
        for payload in self._outbox.spool.alarms():
            try:
                alarm = decode(payload, Alarm)
            except msgspec.MsgspecError as error:
                log.error("an alarm of an earlier boot cannot be read: %s", error)
                continue
            if isa_state(alarm) != "normal":
                self.adopt(alarm)
            if alarm.state == "raised" and alarm.stream not in streams:
                words = "the stream is not configured any more"
                self.report(alarm.stream, alarm.alarm, False, "not configured", words)
        self._obey_configuration(streams)

    def adopt(self, alarm: Alarm) -> None:
        """Go on with an alarm of an earlier boot, as it stood in its last message."""
        with self._mutex:
            key, now = Key(alarm.stream, alarm.alarm), self._clock()
            raised = alarm.state == "raised"
            self._words[key] = _Word(
                raised, alarm.cause, alarm.message, alarm.since_wall_time, alarm.drift
            )
            self._desk.restore(key, _standing(alarm, now), alarm.incident, alarm.cause, now)
            self._post(self._desk.tick(now))

    def report(
        self,
        stream: str,
        name: str,
        holds: bool,
        cause: str,
        message: str,
        incident: str = "",
    ) -> bool:
        """Take up whether a condition holds; return whether anything is news.

        Parameters
        ----------
        stream, name : str
        holds : bool
        cause, message : str
            Of the change, if it is one.
        incident : str
            The incident that it belongs to, if that is known before the alarm.
        """
        key = Key(stream, name)
        with self._mutex:
            if holds != self._desk.holds(key):
                before = self._words.get(key)
                goes_on = before is not None and before.holds
                since = before.since_wall_time if before and goes_on else rfc3339(time.time_ns())
                self._coming[key] = _Word(holds, cause, message, since)
            return self._post(self._desk.report(key, holds, self._clock(), cause, incident))

    def drift(
        self, stream: str, name: str, holds: bool, evidence: DriftEvidence, message: str, since: str
    ) -> None:
        """Take up what the drift monitors say; each word of theirs is posted."""
        key = Key(stream, name)
        with self._mutex:
            self._coming[key] = _Word(holds, evidence.family, message, since, evidence)
            changes = self._desk.report(key, holds, self._clock(), evidence.family)
            told = any(change.key == key for change in changes)
            if not told and self._desk.active(key) == holds:
                more = self._desk.now(key)
                changes.append(replace(more, incident_state="updated" if holds else None))
            self._post(changes)

    def tick(self) -> bool:
        """Let delays and shelvings end; return whether anything is news."""
        with self._mutex:
            return self._post(self._desk.tick(self._clock()))

    def acknowledge(self, stream: str, name: str, by: str) -> None:
        """Somebody has seen an alarm.

        Raises
        ------
        KeyError
            There never was one; as in ``shelve`` and ``unshelve``.
        """
        with self._mutex:
            self._post(self._desk.acknowledge(Key(stream, name), by, self._clock()))

    def shelve(self, stream: str, name: str, seconds: float, by: str) -> None:
        """Keep an alarm quiet for a while."""
        with self._mutex:
            now = self._clock()
            self._post(self._desk.shelve(Key(stream, name), now + seconds, by, now))

    def unshelve(self, stream: str, name: str) -> None:
        """End the shelving of an alarm."""
        with self._mutex:
            self._post(self._desk.unshelve(Key(stream, name), self._clock()))

    def serve(self, stream: str, name: str, out_of_service_by: str) -> None:
        """Take an alarm out of service in somebody's name; an empty one: back into service.

        Raises
        ------
        KeyError
            There is no alarm of that name.
        """
        with self._mutex:
            key = Key(stream, name)
            if key not in self._desk and name not in ALARM_NAMES:
                raise KeyError(name)
            self._serve(key, out_of_service_by)

    def standing(self, stream: str, name: str) -> Standing:
        """Return how an alarm stands; one that never was is normal."""
        with self._mutex:
            key = Key(stream, name)
            return self._desk.now(key).standing if key in self._desk else Standing()

    def causes(self, stream: str) -> tuple[str, ...]:
        """Return the messages of a stream's alarms that are active and not kept quiet."""
        with self._mutex:
            return tuple(
                f"{stream}: {self._message(key, change.standing)}"
                for key in self._desk
                if key.stream == stream
                and (change := self._desk.now(key)).standing.active
                and change.standing.isa in ("unacknowledged", "acknowledged")
            )

    def incident(self, stream: str, name: str) -> str:
        """Return the incident of an active alarm; empty where it is not active."""
        with self._mutex:
            return self._desk.incidents.of(Key(stream, name))

    def incident_of_frame(self, stream: str, name: str, cause: str, before: str) -> str:
        """Return the incident of a flagged frame; ``before``: of the one that it goes with."""
        with self._mutex:
            return self._desk.incidents.of_frame(Key(stream, name), self._clock(), cause, before)

    def _obey_configuration(self, streams: Iterable[str]) -> None:
        """Take out of service what the configuration says, and put the others back."""
        with self._mutex:
            wanted = {
                Key(stream, name)
                for stream in streams
                for name, table in self._tables.items()
                if table.out_of_service
            }
            for key in {*wanted, *self._desk}:
                was = key in self._desk and self._desk.now(key).standing.out_of_service_by
                if (key in wanted) != (was == BY_CONFIGURATION):
                    self._serve(key, BY_CONFIGURATION if key in wanted else "")

    def _rules(self, name: str) -> Rules:
        usual, table = _RULES.get(name, Rules()), self._tables.get(name)
        return usual if table is None else _configured(usual, table)

    def _serve(self, key: Key, by: str) -> None:
        self._words.setdefault(
            key, _Word(False, "out-of-service", "it has never come", rfc3339(time.time_ns()))
        )
        self._post(self._desk.serve(key, by, self._clock()))

    def _message(self, key: Key, standing: Standing) -> str:
        words = self._words[key].message
        if not standing.chattering:
            return words
        rules = self._rules(key.alarm)
        return (
            f"{words} (comes and goes: {rules.chatter_count} times within "
            f"{rules.chatter_s:.0f} s; kept until it is still for {rules.chatter_s:.0f} s)"
        )

    def _post(self, changes: list[Change]) -> bool:
        for change in changes:
            coming = self._coming.get(change.key)
            if coming is not None and coming.holds == change.standing.active:
                self._words[change.key] = self._coming.pop(change.key)
            topic = self._outbox.topics.alarm(*change.key)
            word = self._words[change.key]  # as it is now: the disk may take the alarm much later
            word = replace(word, message=self._message(change.key, change.standing))
            self._outbox.post("alarm", topic, partial(self._alarm, change, word))
        return bool(changes)

    def _alarm(self, change: Change, word: _Word, numbered: Numbered) -> Alarm:
        standing = change.standing
        until, now = standing.shelved_until, self._clock()
        left = 0.0 if until is None else max(0.0, until - now)
        end = None if until is None else rfc3339(time.time_ns() + int(left * 1e9))
        return Alarm(
            **numbered,
            stream=change.key.stream,
            alarm=change.key.alarm,
            state="raised" if standing.active else "cleared",
            cause=word.cause,
            message=word.message,
            since_wall_time=word.since_wall_time,
            evidence={},
            drift=word.drift,
            isa_state=standing.isa,
            acknowledged=standing.acknowledged,
            acknowledged_by=standing.acknowledged_by,
            shelved_by=standing.shelved_by,
            shelved_until_wall_time=end,
            shelved_seconds=round(left, 1),
            out_of_service_by=standing.out_of_service_by,
            chattering=standing.chattering,
            incident=change.incident,
            incident_state=change.incident_state,
        )


def _configured(usual: Rules, table: AlarmTable) -> Rules:
    def chosen(value: float | None, default: float) -> float:
        return default if value is None else value

    return Rules(
        on_delay_s=chosen(table.on_delay_seconds, usual.on_delay_s),
        off_delay_s=chosen(table.off_delay_seconds, usual.off_delay_s),
        chatter_count=table.chatter_count or usual.chatter_count,
        chatter_s=chosen(table.chatter_seconds, usual.chatter_s),
    )


def _standing(alarm: Alarm, now: float) -> Standing:
    """Return how an alarm of an earlier boot stands: a shelving is never longer than it was."""
    left = alarm.shelved_seconds
    if alarm.shelved_until_wall_time is not None:
        end = datetime.fromisoformat(alarm.shelved_until_wall_time).timestamp()
        left = min(left, end - time.time())
    return Standing(
        active=alarm.state == "raised",
        acknowledged=alarm.acknowledged or isa_state(alarm) == "normal",
        acknowledged_by=alarm.acknowledged_by,
        shelved_until=None if alarm.shelved_until_wall_time is None else now + left,
        shelved_by=alarm.shelved_by,
        out_of_service_by=alarm.out_of_service_by,
        chattering=alarm.chattering,
    )
