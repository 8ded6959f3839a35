"""What the spool gives up, in which order, and how it says so.

Under the quota pictures go first, then results of single frames, then events, each oldest first;
summaries, alarms and reports never. A picture's event stays and names the cause; a message leaves
its sequence in a ``Dropped`` report. Everything is counted in the table ``loss``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from edge_guard.publish.messages import Dropped, Event, decode, encode
from edge_guard.publish.rows import Identity, Range, count_loss, delete, rewrite

_GIVEN_UP = ("result", "event")
_RANGES = 1000
"""Sequence ranges in one report."""


class Loss(NamedTuple):
    """Messages of one boot that are given up together."""

    of_boot: str
    kind: str
    cause: str
    sequences: tuple[Range, ...]


Report = Callable[[int, Loss], tuple[str, bytes]]
"""Return topic and payload of the ``Dropped`` message with that sequence."""


class Ledger:
    """Gives rows up inside the caller's transaction.

    Each method returns the picture files to delete once that transaction is committed.

    Parameters
    ----------
    report : Report
    add : callable
        ``add(db, kind, topic, build)`` puts a message into the spool.
    """

    def __init__(
        self,
        report: Report,
        add: Callable[[sqlite3.Connection, str, Callable[[int], tuple[str, bytes]]], int],
    ) -> None:
        self._report = report
        self._add = add

    def make_room(self, db: sqlite3.Connection, max_bytes: int) -> list[str]:
        """Give up what the quota asks for."""
        files: list[str] = []
        while _used_bytes(db) > max_bytes:
            oldest = _oldest(db, "image")
            if oldest is not None:
                files += self.lose_picture(db, *oldest, "quota")
                continue
            victims = (row for kind in _GIVEN_UP if (row := _oldest(db, kind)) is not None)
            victim = next(victims, None)
            if victim is None:
                break  # only what is never given up is left
            files += self.lose_message(db, *victim, "quota")
        return files

    def lose_picture(
        self, db: sqlite3.Connection, boot_id: str, sequence: int, cause: str
    ) -> list[str]:
        """Give up one picture; its event says so and goes out again if it was out already."""
        files = delete(db, boot_id, sequence, part=1)
        found = db.execute(
            "SELECT topic, payload FROM message WHERE boot_id=? AND sequence=? AND part=0",
            (boot_id, sequence),
        ).fetchone()
        count_loss(db, "image", cause, 1)
        if found is None:  # its identity was damaged
            return files
        topic, payload = found
        try:
            event = decode(payload, Event)
        except msgspec.MsgspecError:
            return files + self.lose_message(db, boot_id, sequence, "damaged")
        payload = encode(msgspec.structs.replace(event, image=None, image_dropped=cause))
        rewrite(db, Identity(boot_id, sequence, topic), payload)
        return files

    def lose_message(
        self, db: sqlite3.Connection, boot_id: str, sequence: int, cause: str
    ) -> list[str]:
        """Give up one message, and its picture with it."""
        (kind,) = db.execute(
            "SELECT kind FROM message WHERE boot_id=? AND sequence=? AND part=0",
            (boot_id, sequence),
        ).fetchone()
        files = delete(db, boot_id, sequence, part=1) + delete(db, boot_id, sequence, part=0)
        count_loss(db, kind, cause, 1)
        self._tell(db, Loss(boot_id, kind, cause, ((sequence, sequence),)))
        return files

    def _tell(self, db: sqlite3.Connection, loss: Loss) -> None:
        """Extend the newest report if it has not left yet and is about the same; else add one."""
        row = db.execute(
            "SELECT boot_id, sequence, payload FROM message"
            " WHERE kind='dropped' AND epoch=0 ORDER BY id DESC LIMIT 1"
        ).fetchone()
        extended = row and _extend(row[2], loss)
        if not extended:
            self._add(db, "dropped", lambda sequence: self._report(sequence, loss))
            return
        boot_id, sequence, _ = row
        topic, payload = self._report(sequence, extended)
        rewrite(db, Identity(boot_id, sequence, topic), payload)


def merge(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Return the same numbers as ascending ranges that do not touch."""
    merged: list[Range] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def _extend(payload: bytes, loss: Loss) -> Loss | None:
    try:
        report = decode(payload, Dropped)
    except msgspec.MsgspecError:
        return None
    if (report.of_boot, report.kind, report.cause) != (loss.of_boot, loss.kind, loss.cause):
        return None
    ranges = merge([*report.sequences, *loss.sequences])
    return loss._replace(sequences=ranges) if len(ranges) <= _RANGES else None


def _used_bytes(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT sum(bytes) FROM total").fetchone()[0])


def _oldest(db: sqlite3.Connection, kind: str) -> tuple[str, int] | None:
    row: tuple[str, int] | None = db.execute(
        "SELECT boot_id, sequence FROM message WHERE kind=? ORDER BY id LIMIT 1", (kind,)
    ).fetchone()
    return row
