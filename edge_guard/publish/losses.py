"""What the spool gives up, in which order, and how it says so.

Under the quota, and on a full disk, pictures go first, then results of single frames, then events
that say what an earlier one said, then other events, each oldest first; summaries, alarms and
reports never. A picture's event stays and names the cause; a message leaves its sequence, and an
event its gist, in a ``Dropped`` report. Everything is counted in the table ``loss``.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from edge_guard.publish.messages import Dropped, Event, decode, encode
from edge_guard.publish.rows import Identity, Range, count_loss, delete, rewrite

_RANGES = 1000
"""Sequence ranges in one report."""
_LOOKED_AT = 64
"""Oldest events among which repetitions are sought."""
_AT_ONCE = 32
"""Rows that a full disk takes in one transaction, which needs room itself."""


class Loss(NamedTuple):
    """Messages of one boot that are given up together.

    Attributes
    ----------
    gist : dict of str to int
        How many events by ``{stream}/{verdict}/{leading guard}``.
    """

    of_boot: str
    kind: str
    cause: str
    sequences: tuple[Range, ...]
    gist: dict[str, int] = {}  # noqa: RUF012  never changed
    first_wall_time: str | None = None
    last_wall_time: str | None = None


class _Told(NamedTuple):
    """What an event said, in few words."""

    gist: str
    captured_wall_time: str


Report = Callable[[str, int, Loss], tuple[str, bytes]]
"""Return topic and payload of the ``Dropped`` message with that boot id and sequence."""


class Ledger:
    """Gives rows up inside the caller's transaction.

    Each method returns the picture files to delete once that transaction is committed.

    Parameters
    ----------
    report : Report
    add : callable
        ``add(db, kind, build)`` puts what ``build(boot_id, sequence)`` makes into the spool.
    """

    def __init__(
        self,
        report: Report,
        add: Callable[[sqlite3.Connection, str, Callable[[str, int], tuple[str, bytes]]], int],
    ) -> None:
        self._report = report
        self._add = add

    def make_room(self, db: sqlite3.Connection, max_bytes: int) -> list[str]:
        """Give up what the quota asks for."""
        return self._give_up_oldest(db, "quota", max_bytes, most=None)

    def free(self, db: sqlite3.Connection, n_bytes: int) -> list[str] | None:
        """Give up ``n_bytes`` to a full disk, or 32 rows, or all there is; None: nothing is."""
        if _oldest(db, "image") or _oldest(db, "result") or _oldest(db, "event"):
            return self._give_up_oldest(db, "disk full", _used_bytes(db) - n_bytes, most=_AT_ONCE)
        return None

    def _give_up_oldest(
        self, db: sqlite3.Connection, cause: str, max_bytes: int, most: int | None
    ) -> list[str]:
        """Give up rows until ``max_bytes`` are used, ``most`` are gone, or none may go."""
        files: list[str] = []
        losses: list[Loss] = []
        gone = 0
        while _used_bytes(db) > max_bytes and gone != most:
            gone += 1
            if (picture := _oldest(db, "image")) is not None:
                files += self.lose_picture(db, *picture, cause)
            elif (victim := _oldest(db, "result") or _least_telling_event(db)) is not None:
                losses += _remove(db, *victim, cause, files)
            else:
                break
        for loss in losses:  # a report needs room: not before all rows are gone
            self.tell(db, loss)
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
        files: list[str] = []
        for loss in _remove(db, boot_id, sequence, cause, files):
            self.tell(db, loss)
        return files

    def tell(self, db: sqlite3.Connection, loss: Loss) -> None:
        """Extend the newest report if it has not left yet and is about the same; else add one.

        A receipt may cover what is reported, so all of it counts as sent.
        """
        last = max(end for _first, end in loss.sequences)
        db.execute(
            "UPDATE boot SET last=max(last, ?1), sent=max(sent, ?1) WHERE boot_id=?2",
            (last, loss.of_boot),
        )
        row = db.execute(
            "SELECT boot_id, sequence, payload FROM message"
            " WHERE kind='dropped' AND epoch=0 ORDER BY id DESC LIMIT 1"
        ).fetchone()
        extended = row and _extend(row[2], loss)
        if not extended:
            self._add(
                db, "dropped", lambda boot_id, sequence: self._report(boot_id, sequence, loss)
            )
            return
        boot_id, sequence, _ = row
        topic, payload = self._report(boot_id, sequence, extended)
        rewrite(db, Identity(boot_id, sequence, topic), payload)


def _remove(
    db: sqlite3.Connection, boot_id: str, sequence: int, cause: str, files: list[str]
) -> list[Loss]:
    """Delete a message and its picture, add its file; return the loss, none if it was released."""
    found = db.execute(
        "SELECT kind, payload FROM message WHERE boot_id=? AND sequence=? AND part=0",
        (boot_id, sequence),
    ).fetchone()
    if found is None:
        return []
    kind, payload = found
    for part in (1, 0):
        files += delete(db, boot_id, sequence, part)
    count_loss(db, kind, cause, 1)
    loss = Loss(boot_id, kind, cause, ((sequence, sequence),))
    if kind == "event" and (told := _told(payload)) is not None:
        at = told.captured_wall_time
        loss = loss._replace(gist={told.gist: 1}, first_wall_time=at, last_wall_time=at)
    return [loss]


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
    return (
        None
        if len(ranges) > _RANGES
        else loss._replace(
            sequences=ranges,
            gist=dict(Counter(report.gist) + Counter(loss.gist)),
            first_wall_time=report.first_wall_time or loss.first_wall_time,
            last_wall_time=loss.last_wall_time or report.last_wall_time,
        )
    )


def _told(payload: bytes) -> _Told | None:
    try:
        event = decode(payload, Event)
    except msgspec.MsgspecError:
        return None
    guard = event.reasons[0].guard if event.reasons else ""
    return _Told(f"{event.stream}/{event.verdict.value}/{guard}", event.captured_wall_time)


def _least_telling_event(db: sqlite3.Connection) -> tuple[str, int] | None:
    """Return the oldest event that says what an earlier one says, else the oldest."""
    rows = db.execute(
        "SELECT boot_id, sequence, payload FROM message WHERE kind='event' ORDER BY id LIMIT ?",
        (_LOOKED_AT,),
    ).fetchall()
    said: set[str] = set()
    for boot_id, sequence, payload in rows:
        told = _told(payload)
        gist = told.gist if told else ""
        if gist in said:
            return boot_id, sequence
        said.add(gist)
    return rows[0][:2] if rows else None


def _used_bytes(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT sum(bytes) FROM total").fetchone()[0])


def _oldest(db: sqlite3.Connection, kind: str) -> tuple[str, int] | None:
    row: tuple[str, int] | None = db.execute(
        "SELECT boot_id, sequence FROM message WHERE kind=? ORDER BY id LIMIT 1", (kind,)
    ).fetchone()
    return row
