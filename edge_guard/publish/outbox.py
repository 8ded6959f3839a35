"""Puts messages into the spool, stamped and numbered, and copes with a disk that refuses."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec

from edge_guard.errors import StoreError
from edge_guard.publish.losses import Loss
from edge_guard.publish.messages import Dropped, Event, SpooledMessage, Topics, encode
from edge_guard.publish.spool import Build, Picture, Spool
from edge_guard.publish.stamp import StampFields, stamp

log = logging.getLogger(__name__)

Kind = Literal["event", "result", "summary", "alarm", "reply"]
_PRECIOUS = ("summary", "alarm", "reply")
"""Kinds that wait in memory while the disk refuses, in their order."""
_NO_SPACE = "disk"
_WAITING = 1000
_FULL = "the spool's disk is full: pictures are given up, then events: make room on it"


class Numbered(StampFields):
    """A stamp with the message's sequence."""

    sequence: int


Make = Callable[[Numbered], SpooledMessage]
"""Return the message; called inside the spool's transaction, again when it is tried again."""


class Outbox:
    """The one door to the spool. Thread-safe.

    While the disk refuses, alarms and summaries wait in memory, and events and results are
    counted; both reach the spool as soon as it takes something again.

    Parameters
    ----------
    folder : Path
        The spool's.
    max_bytes : int
        Its quota.
    device : str
        The device's id.
    topics : Topics

    Attributes
    ----------
    topics : Topics
    spool : Spool
    on_new : callable
        Called after each message that is on the disk; set by who publishes.

    Raises
    ------
    StoreError
        The spool cannot be opened.
    """

    def __init__(self, folder: Path, max_bytes: int, device: str, topics: Topics) -> None:
        self.topics = topics
        self.on_new: Callable[[], None] = lambda: None
        self._device = device
        self._cause = ""
        self._mutex = threading.Lock()
        self._uncounted: Counter[str] = Counter()
        self._waiting: deque[tuple[Kind, Build]] = deque(maxlen=_WAITING)
        self.spool = Spool(folder, max_bytes, self._report)

    @property
    def causes(self) -> tuple[str, ...]:
        """What is wrong with the spool; empty when nothing is."""
        aside = self.spool.set_aside
        damage = f"a damaged spool was set aside as {aside}" if aside else ""
        full = _FULL if self.spool.disk_full and not self._cause else ""
        return tuple(cause for cause in (self._cause, full, damage) if cause)

    def post(
        self, kind: Kind, topic: str, make: Make, picture: tuple[str, bytes] | None = None
    ) -> int | None:
        """Put a message into the spool and return its sequence; it is on the disk by then.

        Parameters
        ----------
        kind : str
        topic : str
        make : callable
        picture : tuple of (stream, JPEG), optional
            The picture of an event. Where the disk takes the event only, the event says so.

        Returns
        -------
        int or None
            None: the disk refused. The reason is in ``causes`` and the log.
        """
        with self._mutex:
            sequence = None
            if self._catch_up() or kind not in _PRECIOUS:
                sequence = self._try(kind, topic, make, picture)
            else:
                self._wait(kind, partial(self._build, topic, make))
            if sequence is not None:
                self._count()
        if sequence is not None:
            self.on_new()
        return sequence

    def numbered(self, sequence: int) -> Numbered:
        """Return the stamp of a message of this boot that is made now."""
        return {**stamp(self._device, self.spool.boot_id), "sequence": sequence}

    def losses(self) -> dict[str, int]:
        """Return what was given up since the spool exists, by ``kind/cause``."""
        losses = Counter({f"{kind}/{_NO_SPACE}": n for kind, n in self._uncounted.items()})
        try:
            losses.update(self.spool.losses())
        except StoreError as error:
            self._refused(error)
        return dict(losses)

    def _try(
        self, kind: Kind, topic: str, make: Make, picture: tuple[str, bytes] | None
    ) -> int | None:
        build = partial(self._build, topic, make)

        def build_bare(sequence: int) -> tuple[str, bytes]:
            message = make(self.numbered(sequence))
            if isinstance(message, Event):
                message = msgspec.structs.replace(message, image=None, image_dropped=_NO_SPACE)
            return topic, encode(message)

        if picture is not None:
            try:
                return self._accepted(self.spool.append(kind, build, self._picture(*picture)))
            except StoreError as error:
                self._refused(error)
                self._uncounted["image"] += 1
        try:
            return self._accepted(self.spool.append(kind, build_bare if picture else build))
        except StoreError as error:
            self._refused(error)
        if kind in _PRECIOUS:
            self._wait(kind, build)
        else:
            self._uncounted[kind] += 1
        return None

    def _build(self, topic: str, make: Make, sequence: int) -> tuple[str, bytes]:
        return topic, encode(make(self.numbered(sequence)))

    def _wait(self, kind: Kind, build: Build) -> None:
        """Let a message wait in memory behind those that wait; the oldest makes room."""
        if len(self._waiting) == self._waiting.maxlen:
            self._uncounted[self._waiting[0][0]] += 1
        self._waiting.append((kind, build))

    def _catch_up(self) -> bool:
        """Spool what waits, oldest first; return whether nothing waits any more."""
        try:
            while self._waiting:
                self.spool.append(*self._waiting[0])
                self._waiting.popleft()
        except StoreError as error:
            self._refused(error)
        return not self._waiting

    def _count(self) -> None:
        """Count durably what could not be spooled."""
        try:
            for kind in list(self._uncounted):
                self.spool.count_loss(kind, _NO_SPACE, self._uncounted[kind])
                del self._uncounted[kind]
        except StoreError as error:
            self._refused(error)

    def _picture(self, stream: str, content: bytes) -> Picture:
        boot = self.spool
        return Picture(
            content,
            lambda sequence: self.topics.image(stream, event_id(boot.boot_id, sequence)),
        )

    def _accepted(self, sequence: int) -> int:
        if self._cause:
            log.warning("the spool takes messages again")
        self._cause = ""
        return sequence

    def _refused(self, error: StoreError) -> None:
        if str(error) != self._cause:
            log.error("%s", error)
        self._cause = str(error)

    def _report(self, boot_id: str, sequence: int, loss: Loss) -> tuple[str, bytes]:
        """Return topic and payload of the report of a loss."""
        numbered = Numbered(**stamp(self._device, boot_id), sequence=sequence)
        message = Dropped(**numbered, **loss._asdict())
        return self.topics.dropped(), encode(message)


def event_id(boot_id: str, sequence: int) -> str:
    """Return the id of the event with this identity."""
    return f"{boot_id}-{sequence}"
