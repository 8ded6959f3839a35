"""Keeps the store within its age and size, in the background."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from itertools import accumulate, islice

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.exc import SQLAlchemyError

from edge_guard.collector.feed import Feed
from edge_guard.collector.retention import deletion
from edge_guard.collector.retention.deletion import BATCH
from edge_guard.collector.schema import events, pictures
from edge_guard.collector.store import Store
from edge_guard.collector.trail import Trail
from edge_guard.config import RetentionTable
from edge_guard.types import Verdict

log = logging.getLogger(__name__)

SWEEP_S = 300.0
"""Between the end of a sweep and the begin of the next."""
PAUSE_S = 0.05
"""Between two transactions, so that ingest always gets its turn."""
ORPHANED_S = 86_400.0
"""A picture without a frame is left alone so long, and so often they are looked for."""
_DAY_S = 86_400
_NEVER = 1 << 62


class Retention:
    """Deletes what is older or larger than it may be, oldest first.

    Flagged frames that nobody has judged, and frames that somebody has, are kept; where the limits
    cannot be kept for that, the feed says so. Everything that is deleted is counted in
    the database, and each sweep that deleted something is noted in the trail.

    Parameters
    ----------
    store : Store
    config : RetentionTable
    feed : Feed
        Hears why limits cannot be kept.
    now : callable, optional
        Returns s since the Unix epoch.
    """

    def __init__(
        self, store: Store, config: RetentionTable, feed: Feed, now: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._config = config
        self._feed = feed
        self._now = now
        self._ending = threading.Event()
        self._orphans_due_s = 0.0
        self._thread = threading.Thread(target=self._run, name="collector-retention", daemon=True)

    def start(self) -> None:
        """Start sweeping."""
        self._thread.start()

    def stop(self) -> None:
        """Return when the transaction at hand is done."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def sweep(self) -> str:
        """Delete everything that is due; return what is wrong, empty where nothing is.

        Raises
        ------
        SQLAlchemyError, OSError
            The database or the picture store fails; the next sweep goes on from there.
        """
        before = deletion.deleted(self._store)
        if (limit := self._before(self._config.days)) is not None:
            self._sweep_old(limit)
        if self._config.max_picture_bytes is not None:
            self._sweep_large(self._config.max_picture_bytes)
        if (old := self._before(self._config.report_days)) is not None:
            self._repeat(lambda: deletion.delete_reports(self._store, old))
        if self._now() >= self._orphans_due_s:
            self._sweep_orphans()
            self._orphans_due_s = self._now() + ORPHANED_S
        self._repeat(lambda: deletion.discard_pictures(self._store))
        self._note(before)
        return "; ".join(words for words in (self._too_old(), self._too_large()) if words)

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                trouble = self.sweep()
            except (SQLAlchemyError, OSError) as error:
                trouble = f"old frames cannot be deleted ({getattr(error, 'orig', None) or error})"
            if trouble:
                log.warning("%s", trouble)
            self._feed.overfull(trouble)
            self._ending.wait(SWEEP_S)

    def _before(self, days: float | None) -> int | None:
        return None if days is None else int((self._now() - days * _DAY_S) * 1000)

    def _repeat(self, step: Callable[[], int]) -> None:
        """Take steps, with pauses, until one finds nothing more to do."""
        while not self._ending.is_set() and step():
            self._ending.wait(PAUSE_S)

    def _sweep_old(self, before_ms: int) -> None:
        """Delete the frames that arrived before then, as far as they may go."""
        may_go = self._forgettable()
        while batch := deletion.oldest(self._store, may_go, self._verdicts(), before_ms):
            numbers = [number for number, _ in batch]
            gone = deletion.delete_frames(self._store, numbers, may_go, "age")
            if not gone.frames or self._ending.wait(PAUSE_S):
                return

    def _sweep_large(self, most_bytes: int) -> None:
        """Delete the oldest frames that may go, until pictures take no more than so many bytes."""
        may_go = and_(self._forgettable(), events.c.sha256.isnot(None))
        excess, verdicts = self._picture_bytes() - most_bytes, self._verdicts()
        while excess > 0 and (batch := deletion.oldest(self._store, may_go, verdicts, _NEVER)):
            sizes = accumulate(size for _, size in batch)
            enough = next((n for n, size in enumerate(sizes, 1) if size >= excess), len(batch))
            numbers = [number for number, _ in batch[:enough]]
            gone = deletion.delete_frames(self._store, numbers, may_go, "size")
            excess -= gone.picture_bytes
            if not gone.frames or self._ending.wait(PAUSE_S):
                return

    def _sweep_orphans(self) -> None:
        """Discard pictures that no frame shows, and those that the database does not know."""
        before_s, after = self._now() - ORPHANED_S, ""
        while batch := deletion.unused_pictures(self._store, int(before_s * 1000), after):
            after = batch[-1]
            deletion.delete_unused_pictures(self._store, batch)
            if self._ending.wait(PAUSE_S):
                return
        self._repeat(lambda: deletion.discard_pictures(self._store))
        stored = self._store.pictures.digests(before_s)
        while some := list(islice(stored, BATCH)):
            if orphans := deletion.without_row(self._store, some):
                deletion.discard_orphans(self._store, orphans)
            if self._ending.is_set():
                return

    def _verdicts(self) -> list[Verdict]:
        """Return the verdicts that frames which may go have."""
        unflagged = [Verdict.ACCEPT, Verdict.INVALID]
        return unflagged if self._config.unreviewed_days is None else [*unflagged, Verdict.REVIEW]

    def _forgettable(self) -> ColumnElement[bool]:
        return deletion.forgettable(self._before(self._config.unreviewed_days))

    def _picture_bytes(self) -> int:
        with self._store.engine.connect() as connection:
            return int(connection.scalar(select(func.sum(pictures.c.size_bytes))) or 0)

    def _note(self, before: dict[str, int]) -> None:
        """Write into the log and the trail what this sweep has deleted."""
        now = deletion.deleted(self._store)
        done = {name: n - before.get(name, 0) for name, n in now.items()}
        if done := {name: n for name, n in done.items() if n}:
            log.info("deleted: %s", ", ".join(f"{n} {name}" for name, n in sorted(done.items())))
            Trail(self._store).note("collector", "retention.delete", "old data", done)

    def _too_large(self) -> str:
        most = self._config.max_picture_bytes
        if most is None or (size := self._picture_bytes()) <= most:
            return ""
        return (
            f"pictures take {size:,} bytes, which is more than [retention] max_picture_bytes = "
            f"{most:,}, and what is left was judged, or waits for it: review flagged frames, "
            "set unreviewed_days, or raise the limit"
        )

    def _too_old(self) -> str:
        if (days := self._config.days) is None or self._config.unreviewed_days is not None:
            return ""
        if (oldest_ms := deletion.oldest_unreviewed_ms(self._store)) is None:
            return ""
        if (age := self._now() - oldest_ms / 1000) <= days * _DAY_S:
            return ""
        return (
            f"flagged frames up to {age / _DAY_S:,.1f} days old are kept beyond [retention] days = "
            f"{days:g} because nobody has judged them: review them, or set unreviewed_days"
        )
