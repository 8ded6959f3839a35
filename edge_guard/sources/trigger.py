"""Triggers that come as messages: what they say, which were heard before, which still wait.

A message is the part's id as plain text, or JSON: ``{"part_id": "A-17", "id": "4711"}``. ``id``
names the message: the same one again is the same trigger, however often it is delivered. Plain text
has none, so there only what the broker itself marks as sent again (MQTT's DUP flag) is taken for a
repetition of a trigger with the same text; the same part published twice is inspected twice.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import Protocol

import msgspec

MOST_PART = 128
"""Characters of a part id."""
REPEATED = "trigger-repeated"
"""Cause under which a trigger that was heard before is counted."""
_REMEMBERED = 1000
_AWAY_S = 5.0
"""A broker that is away for less is no news: the session keeps what is published meanwhile."""


class _Said(msgspec.Struct):
    part_id: str | int = ""
    id: str | int = ""


@dataclass(frozen=True, slots=True)
class Trigger:
    """One wish for a frame.

    Attributes
    ----------
    part : str
        Id of the part; empty: not told.
    heard_ns : int
        Monotonic time of its arrival.
    trouble : str
        Why no frame can be its; empty where one can.
    """

    part: str
    heard_ns: int
    trouble: str = ""


class Inbox:
    """The triggers of one stream that nobody has taken yet. Thread-safe."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[Trigger] = deque()
        self._known: deque[tuple[str, str]] = deque(maxlen=_REMEMBERED)
        self._counts: Counter[str] = Counter()
        self._away_since: float | None = time.monotonic()
        self._was_up = False

    def offer(
        self, payload: bytes, heard_ns: int, *, again: bool = False, late: bool = False
    ) -> None:
        """Take a message in.

        Parameters
        ----------
        payload : bytes
        heard_ns : int
            Monotonic time of its arrival.
        again : bool
            The broker says that it has sent it before.
        late : bool
            The broker has kept it while the device was away: its moment is over.
        """
        try:
            part, name = _read(payload)
        except ValueError as error:
            trouble = f"a trigger cannot be read ({error})"
            self._put(Trigger("", heard_ns, trouble))
            return
        key = (part, name)
        with self._mutex:
            repeated = key in self._known and (again or bool(name))
            self._counts[REPEATED] += repeated
            if not repeated:
                self._known.append(key)
        if not repeated:
            trouble = "its trigger came late: the device was away from the broker" if late else ""
            self._put(Trigger(part, heard_ns, trouble))

    def connected(self, up: bool, *, kept: bool = False) -> None:
        """Note whether triggers can come.

        Parameters
        ----------
        up : bool
        kept : bool
            The broker has kept those of the time before. Where it has not, nobody knows of how many
            parts: a person is told.
        """
        now = time.monotonic()
        with self._mutex:
            since = self._away_since
            self._away_since = None if up else now if since is None else since
            lost = up and self._was_up and since is not None and not kept
            self._was_up |= up
        if lost and since is not None:
            trouble = f"the broker was away for {now - since:.1f} s and has kept no triggers of it"
            self._put(Trigger("", time.monotonic_ns(), trouble))

    @property
    def away(self) -> bool:
        """Whether triggers have not been able to come for a while."""
        since = self._away_since
        return since is not None and time.monotonic() - since > _AWAY_S

    @property
    def counts(self) -> Counter[str]:
        """How many messages were no new trigger, by cause."""
        with self._mutex:
            return +self._counts

    def take(self) -> list[Trigger]:
        """Return what has come since the last time, in order."""
        with self._mutex:
            waiting = list(self._waiting)
            self._waiting.clear()
            return waiting

    def _put(self, trigger: Trigger) -> None:
        with self._mutex:
            self._waiting.append(trigger)


class Bell(Protocol):
    """Hands the messages of topics to inboxes."""

    def attach(self, topic: str, inbox: Inbox) -> None:
        """Hand the topic's messages to the inbox, with those that nobody was there for."""
        ...

    def detach(self, topic: str, inbox: Inbox) -> None:
        """Hand it no more; harmless when repeated."""
        ...


def _read(payload: bytes) -> tuple[str, str]:
    """Return the part's id and the message's; ValueError says what is wrong."""
    try:
        text = payload.decode().strip()
    except UnicodeDecodeError:
        raise ValueError("it is not text") from None
    name = ""
    if text.startswith("{"):
        try:
            said = msgspec.json.decode(text, type=_Said)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise ValueError(str(error)) from None
        text, name = str(said.part_id), str(said.id)
    if len(text) > MOST_PART or len(name) > MOST_PART:
        raise ValueError(f"an id is longer than {MOST_PART} characters")
    if not text.isprintable():
        raise ValueError("the part id has unprintable characters")
    return text, name
