"""From the broker into the store: batches, commits, acknowledgements, receipts."""

from __future__ import annotations

import logging
import queue
import threading
import time

from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from edge_guard.collector.changes import Applied
from edge_guard.collector.commands import Commands
from edge_guard.collector.feed import Feed
from edge_guard.collector.link import Delivery
from edge_guard.collector.parse import Message, RefusedError, parse
from edge_guard.collector.receipts import RECEIPT_S, Receipts
from edge_guard.collector.store import Store
from edge_guard.collector.twins import Twins

log = logging.getLogger(__name__)

MOST_IN_BATCH = 1000
BATCH_S = 0.1
IDLE_S = 0.005
"""A batch is closed early when nothing arrives for so long."""
RETRY_S = 1.0
MOST_WAITING = 1000
UNFIT = "cannot be stored"
_UNFIT = (DataError, IntegrityError, ValueError, OverflowError)
"""Errors that are the message's fault, not the database's."""


class Ingest:
    """Stores what arrives, in one thread; the broker's acknowledgement follows the commit.

    Parameters
    ----------
    store : Store
    feed : Feed
        Hears of every commit, and of the store's trouble.
    receipts : Receipts
    prefix : str
        Topic prefix.
    commands : Commands, optional
        Sent by the same thread; left out: none are.
    """

    def __init__(
        self,
        store: Store,
        feed: Feed,
        receipts: Receipts,
        prefix: str,
        commands: Commands | None = None,
    ) -> None:
        self._store = store
        self._feed = feed
        self._receipts = receipts
        self._prefix = prefix
        self._commands = commands
        self._queue: queue.Queue[Delivery] = queue.Queue(MOST_WAITING)
        self._ending = threading.Event()
        self._twins = Twins()
        self._causes: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="collector-ingest", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether the thread runs; it must until ``stop``."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start storing."""
        self._thread.start()

    def stop(self) -> None:
        """Return when the batch at hand is stored; what waits stays with the broker."""
        self._ending.set()
        self._thread.join()

    def offer(self, delivery: Delivery) -> None:
        """Take a message; blocks while too many wait."""
        while not self._ending.is_set():
            try:
                self._queue.put(delivery, timeout=0.1)
                return
            except queue.Full:
                continue

    def _run(self) -> None:
        while not self._ending.is_set():
            if batch := self._batch():
                self._commit(batch)
            self._receipts.send(time.monotonic())
            self._follow()
            if self._commands is not None:
                self._commands.send(time.monotonic())

    def _batch(self) -> list[Delivery]:
        """Return what arrived; waits until the next receipt may be due."""
        try:
            batch = [self._queue.get(timeout=RECEIPT_S / 4)]
        except queue.Empty:
            return []
        deadline = time.monotonic() + BATCH_S
        while len(batch) < MOST_IN_BATCH and time.monotonic() < deadline:
            try:
                batch.append(self._queue.get(timeout=IDLE_S))
            except queue.Empty:
                break
        return batch

    def _commit(self, batch: list[Delivery]) -> None:
        parsed = [(delivery, self._parse(delivery)) for delivery in batch]
        wanted = [(d, message) for d, message in parsed if message is not None]
        for delivery, message in parsed:
            if message is None:
                delivery.acknowledge()
        if wanted:
            self._apply([d for d, _ in wanted], [m for _, m in wanted])

    def _apply(self, deliveries: list[Delivery], messages: list[Message | str]) -> None:
        """Store, then acknowledge, however long the store is in trouble; until stopped."""
        while True:
            try:
                applied = self._store.apply(messages)
            except _UNFIT as error:
                if messages == [UNFIT]:
                    self._wait(error)
                elif len(messages) == 1:
                    log.exception("the message on %r cannot be stored", deliveries[0].topic[:200])
                    messages = [UNFIT]
                else:
                    return self._apply_one_by_one(deliveries, messages)
            except (SQLAlchemyError, OSError) as error:  # disk full, locked, connection lost
                self._wait(error)
            else:
                return self._after_commit(applied, deliveries)
            if self._ending.is_set():
                return None

    def _apply_one_by_one(self, deliveries: list[Delivery], messages: list[Message | str]) -> None:
        for delivery, message in zip(deliveries, messages, strict=True):
            self._apply([delivery], [message])

    def _wait(self, error: Exception) -> None:
        cause = str(getattr(error, "orig", None) or error)
        self._feed.trouble(cause)
        log.error("the store fails (%s): trying again every second; nothing is lost", cause)
        self._ending.wait(RETRY_S)

    def _after_commit(self, applied: Applied, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            delivery.acknowledge()
        self._receipts.note(applied)
        self._log_refusals(applied, deliveries)
        self._feed.trouble("")
        self._feed.commit(applied)

    def _follow(self) -> None:
        try:
            self._feed.refresh(time.monotonic())
        except SQLAlchemyError as error:  # what is stored is stored; pages catch up later
            log.error("the page cannot follow the store (%s)", error)

    def _parse(self, delivery: Delivery) -> Message | str | None:
        try:
            message = parse(delivery.topic, delivery.payload, self._prefix)
            return None if message is None else self._twins.heard(message)
        except RefusedError as refusal:
            return str(refusal)

    def _log_refusals(self, applied: Applied, deliveries: list[Delivery]) -> None:
        for position, cause in applied.refused:
            if cause not in self._causes:
                self._causes.add(cause)
                topic = deliveries[position].topic[:200]
                log.warning(
                    "message on %r refused: %s (counted; logged once per cause)", topic, cause
                )
