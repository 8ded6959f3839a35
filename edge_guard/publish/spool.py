"""The device's durable queue: what is appended stays until somebody has stored it, or is reported.

A row is released by a receipt (or, without a collector, by the broker's PUBACK), never by time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from edge_guard.errors import StoreError
from edge_guard.publish import rows
from edge_guard.publish.answers import covered
from edge_guard.publish.database import DamagedError, Database, FullError
from edge_guard.publish.losses import Ledger, Report
from edge_guard.publish.messages import BootReceipt
from edge_guard.publish.rescue import rescue
from edge_guard.publish.room import Room
from edge_guard.publish.rows import Identity, Range, Row
from edge_guard.publish.stamp import new_boot_id

T = TypeVar("T")

_GIVEN_UP = ("event", "result")
"""Kinds that may be refused; all others may use the reserve."""
_MOST_RESERVE_BYTES = 1 << 20

Build = Callable[[int], tuple[str, bytes]]
"""Return topic and payload of the message with that sequence."""


class Picture(NamedTuple):
    """A picture to spool with its message; ``topic`` makes its topic from the sequence."""

    content: bytes
    topic: Callable[[int], str]


class Spool:
    """A queue on disk. Thread-safe.

    Parameters
    ----------
    folder : Path
        Made if it is not there; held by one process at a time.
    max_bytes : int
        Quota for payloads and pictures; summaries, alarms and reports may exceed it.
    report : callable
        ``report(boot_id, sequence, loss)`` returns topic and payload of a ``Dropped`` message.

    Attributes
    ----------
    boot_id : str
        Identity under which sequences count from 1; new for each start and each new file.

    Raises
    ------
    StoreError
        From every method: the disk is full, fails, or another process has the folder.
    """

    def __init__(self, folder: Path, max_bytes: int, report: Report) -> None:
        self._max_bytes = max_bytes
        self._ledger = Ledger(report, self._add_report)
        self._database = Database(folder, min(_MOST_RESERVE_BYTES, max_bytes // 8))
        self._room = Room(self._database, self._ledger)
        self._begun = -1
        self._surviving(lambda: None)

    @property
    def set_aside(self) -> Path | None:
        """Where a damaged predecessor was put since this one was opened; None: there was none."""
        return self._database.set_aside

    @property
    def disk_full(self) -> bool:
        """Whether something had to be given up, or the reserve used, within the last minute."""
        return self._room.scarce

    def append(self, kind: str, build: Build, picture: Picture | None = None) -> int:
        """Put a message on the disk and return its sequence; it is committed by then.

        Parameters
        ----------
        kind : str
            ``event``, ``result``, ``summary``, ``alarm`` or ``reply``.
        build : callable
            Makes topic and payload, inside the transaction that takes the sequence.
        picture : Picture, optional
            On the disk before its row.

        Raises
        ------
        StoreError
            The message is not in the spool, and no sequence was used.
        """
        work = partial(self._append, kind, build, picture)
        return self._surviving(work, precious=kind not in _GIVEN_UP)

    def take(self, limit: int, max_bytes: int, overdue: int, *, pictures: bool = True) -> list[Row]:
        """Return rows to send now and mark them as sent; see ``rows.due`` for the order.

        Damaged rows are given up and reported.
        """
        return self._surviving(lambda: self._take(limit, max_bytes, overdue, pictures))

    def send_again(self, undelivered: Sequence[Row]) -> None:
        """Let rows whose delivery broke off be taken again at once."""
        with self._database.transaction(durable=False) as db:
            db.executemany(
                f"UPDATE message SET epoch={rows.AGAIN} WHERE id=? AND epoch=? AND boot_id=?",
                [(row.id, row.epoch, row.boot_id) for row in undelivered],
            )

    def give_up(self, row: Row, cause: str) -> None:
        """Give up a row that its receiver will never take; it is counted and reported."""
        self._surviving(lambda: self._give_up(row, cause))

    def next_round(self) -> None:
        """Age everything that waits for a receipt by one round."""
        with self._database.mutex:  # nobody has the reserve on loan
            self._round += 1
            self._database.reserve.hold()  # where the disk was full, it may have room again

    def release(self, receipt: BootReceipt) -> int:
        """Forget what a collector has stored, and return how many rows that were.

        Only rows that were sent with all their parts are released; an unknown boot releases
        nothing.

        Raises
        ------
        ValueError
            The receipt contradicts itself, or covers sequences that never left.
        """
        ranges = covered(receipt)
        return self._surviving(lambda: self._release(receipt, ranges))

    def release_row(self, row: Row) -> None:
        """Forget one row that its receiver has, unless it was rewritten since it was taken."""
        self._surviving(lambda: self._release_row(row))

    def backlog(self) -> int:
        """Return the number of messages that nobody is known to have stored yet."""
        return int(self._query("SELECT rows FROM total WHERE part=0")[0][0])

    def bytes_used(self) -> int:
        """Return the bytes of all payloads and pictures in the spool."""
        return int(self._query("SELECT sum(bytes) FROM total")[0][0])

    def produced(self) -> int:
        """Return the highest sequence of this boot."""
        return int(self._query("SELECT last FROM boot WHERE boot_id=?", self.boot_id)[0][0])

    def losses(self) -> dict[str, int]:
        """Return what was given up since the spool exists, counted by ``kind/cause``."""
        return dict(self._query("SELECT kind || '/' || cause, n FROM loss"))

    def count_loss(self, kind: str, cause: str, n: int) -> None:
        """Add messages that could not even be spooled to the durable count."""
        self._surviving(lambda: self._count_loss(kind, cause, n))

    def alarms(self) -> list[bytes]:
        """Return the newest payload of every alarm there ever was, of earlier boots too."""
        return [payload for (payload,) in self._query("SELECT payload FROM alarm")]

    def reply(self, command_id: str) -> bytes | None:
        """Return what was replied to a command, in earlier boots too; None: nothing yet."""
        with self._database.transaction(durable=False) as db:
            return rows.reply_to(db, command_id)

    def close(self) -> None:
        """Let another process have the folder."""
        self._database.close()

    def _surviving(self, work: Callable[[], T], *, precious: bool = True) -> T:
        """Do the work; where the file is damaged or the disk full, see to that and try again."""
        generation = self._database.generation

        def attempt() -> T:
            self._begin()
            return work()

        try:
            try:
                return attempt()
            except DamagedError as damage:
                self._set_aside(generation, damage)
                return attempt()
        except FullError:
            return self._room.make(attempt, precious=precious)

    def _set_aside(self, generation: int, damage: DamagedError) -> None:
        """Set the damaged file aside, unless another thread has done so."""
        with self._database.mutex:
            if self._database.generation == generation:
                self._database.replace(damage)

    def _begin(self) -> None:
        """Begin a boot in a file that is new here, with what is whole of a damaged one."""
        with self._database.mutex:
            if self._begun == self._database.generation:
                return
            self._begin_boot()
            self._begun = self._database.generation

    def _begin_boot(self) -> None:
        boot_id = new_boot_id()
        with self._database.transaction() as db:
            db.execute("INSERT INTO boot VALUES (?, 0, 0)", (boot_id,))
            self.boot_id = boot_id
            for wreck in self._database.wrecks():
                rescue(wreck, db, self._database, self._ledger)
            db.execute(
                "DELETE FROM boot WHERE boot_id<>?"
                " AND boot_id NOT IN (SELECT boot_id FROM message)",
                (boot_id,),
            )
            self._database.marks.keep({boot for (boot,) in db.execute("SELECT boot_id FROM boot")})
            (newest,) = db.execute("SELECT coalesce(max(epoch), 0) FROM message").fetchone()
            known = {file for (file,) in db.execute("SELECT file FROM message WHERE part=1")}
        self._round = max(newest, 0) + rows.OVERDUE_ROUNDS
        self._database.rescued()
        self._database.pictures.sweep(known)

    def _append(self, kind: str, build: Build, picture: Picture | None) -> int:
        written: list[str] = []
        try:
            with self._database.transaction() as db:
                sequence = self._add(db, kind, build)
                if picture is not None:
                    written = [f"{self.boot_id}-{sequence}.jpg"]
                    self._add_picture(db, sequence, written[0], picture)
                files = self._ledger.make_room(db, self._max_bytes)
        except StoreError:
            self._database.pictures.remove(written)
            raise
        self._database.pictures.remove(files)
        return sequence

    def _take(self, limit: int, max_bytes: int, overdue: int, pictures: bool) -> list[Row]:
        files: list[str] = []
        with self._database.transaction(durable=False) as db:
            chosen = rows.due(db, self._round, limit, max_bytes, overdue, pictures=pictures)
            taken = [row for row_id in chosen if (row := self._load(db, row_id, files))]
        self._database.pictures.remove(files)
        return taken

    def _release(self, receipt: BootReceipt, ranges: Sequence[Range]) -> int:
        with self._database.transaction(durable=False) as db:
            query = "SELECT sent FROM boot WHERE boot_id=?"
            known = db.execute(query, (receipt.boot_id,)).fetchone()
            if known is None:
                return 0
            if receipt.highest > known[0]:
                raise ValueError(f"covers {receipt.highest}, but only {known[0]} were sent")
            files = [
                file for one in ranges for file in rows.release_range(db, receipt.boot_id, one)
            ]
        self._database.pictures.remove(file for file in files if file is not None)
        return len(files)

    def _release_row(self, row: Row) -> None:
        with self._database.transaction(durable=False) as db:
            files = rows.release_row(db, row)
        self._database.pictures.remove(files)

    def _give_up(self, row: Row, cause: str) -> None:
        lose = self._ledger.lose_picture if row.part == 1 else self._ledger.lose_message
        with self._database.transaction() as db:
            files = lose(db, row.boot_id, row.sequence, cause)
        self._database.pictures.remove(files)

    def _count_loss(self, kind: str, cause: str, n: int) -> None:
        with self._database.transaction() as db:
            rows.count_loss(db, kind, cause, n)

    def _add(self, db: sqlite3.Connection, kind: str, build: Build) -> int:
        query = "UPDATE boot SET last = last + 1 WHERE boot_id=? RETURNING last"
        sequence = int(db.execute(query, (self.boot_id,)).fetchall()[0][0])
        self._database.marks.cover(self.boot_id, sequence)
        topic, payload = build(sequence)
        rows.insert_message(db, Identity(self.boot_id, sequence, topic), kind, payload)
        return sequence

    def _add_report(
        self, db: sqlite3.Connection, kind: str, build: Callable[[str, int], tuple[str, bytes]]
    ) -> int:
        return self._add(db, kind, partial(build, self.boot_id))

    def _add_picture(
        self, db: sqlite3.Connection, sequence: int, file: str, picture: Picture
    ) -> None:
        self._database.pictures.write(file, picture.content)
        identity = Identity(self.boot_id, sequence, picture.topic(sequence))
        rows.insert_picture(db, identity, file, picture.content)

    def _load(self, db: sqlite3.Connection, row_id: int, files: list[str]) -> Row | None:
        """Return the row, marked; a damaged one is given up, its file added to ``files``."""
        found = db.execute(
            "SELECT boot_id, sequence, part, kind, topic, payload, retain, file, crc FROM message"
            " WHERE id=?",
            (row_id,),
        ).fetchone()
        if found is None:  # given up a moment ago with its damaged message
            return None
        boot_id, sequence, part, kind, topic, payload, retain, file, crc = found
        content = payload if file is None else self._database.pictures.read(file)
        identity = Identity(boot_id, sequence, topic)
        if content is not None and identity.measure(content)[1] == crc:
            row = Row(
                row_id, self._round, boot_id, sequence, part, kind, topic, content, bool(retain)
            )
            rows.mark_sent(db, row)  # before a lost picture of it asks for it again
            return row
        lose = self._ledger.lose_picture if part == 1 else self._ledger.lose_message
        files += lose(db, boot_id, sequence, "damaged")
        return None

    def _query(self, query: str, *arguments: str) -> list[Any]:
        self._begin()
        with self._database.transaction(durable=False) as db:
            return db.execute(query, arguments).fetchall()
