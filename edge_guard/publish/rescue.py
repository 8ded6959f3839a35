"""What can still be read of a damaged spool goes on its way; what cannot is named."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from edge_guard.publish.database import Database
from edge_guard.publish.losses import Ledger, Loss, merge
from edge_guard.publish.messages import Event, decode
from edge_guard.publish.rows import Identity, Range, count_loss

log = logging.getLogger(__name__)

_UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
_MOST_RANGES = 1000
"""Ranges in one report."""
_DONE = "CREATE TABLE IF NOT EXISTS rescued (wreck TEXT PRIMARY KEY) STRICT"
"""In the new database, with its rows: a power cut may leave a wreck that was looked through."""
_COLUMNS = "id, boot_id, sequence, part, kind, topic, retain, payload, file, crc"


def rescue(aside: Path, db: sqlite3.Connection, database: Database, ledger: Ledger) -> None:
    """Copy what is whole from a damaged spool into a new one, and report what may be lost.

    A wreck is looked through once.

    Parameters
    ----------
    aside : Path
        Folder of the damaged spool.
    db : Connection
        The new one, in a transaction.
    database : Database
        The new one's; its marks tell how far each boot may have counted.
    ledger : Ledger
    """
    if not (aside / "spool.sqlite").exists():  # a power cut came before it was moved
        return
    db.execute(_DONE)
    if not db.execute("INSERT OR IGNORE INTO rescued VALUES (?)", (aside.name,)).rowcount:
        return
    kept: dict[str, set[int]] = {}
    with closing(sqlite3.connect(aside / "spool.sqlite")) as damaged:
        damaged.text_factory = partial(str, encoding="utf-8", errors="replace")
        with suppress(*_UNREADABLE):  # lets SQLite read what is cut off, or odd in its schema
            damaged.execute("PRAGMA writable_schema=ON")
        boots = database.marks.known() | _boots(damaged, db)
        for table, values in (("alarm", "?, ?"), ("loss", "?, ?, ?")):
            for row in _readable(damaged, f"SELECT * FROM {table}"):
                _insert(db, f"INSERT OR IGNORE INTO {table} VALUES ({values})", row)
        for row in _messages(damaged):
            if _keep(row, db, aside, database.pictures.folder):
                kept.setdefault(row[1], set()).add(row[2])
    for boot, sequences in kept.items():
        highest = max(sequences)
        db.execute("INSERT OR IGNORE INTO boot VALUES (?, ?, ?)", (boot, highest, highest))
        boots[boot] = max(highest, boots.get(boot, 0))
    _part_from_lost_pictures(db, ledger)
    count_loss(db, "spool", "damaged", 1)
    for boot, last in boots.items():
        missing = _gaps(kept.get(boot, set()), last)
        for start in range(0, len(missing), _MOST_RANGES):
            ranges = missing[start : start + _MOST_RANGES]
            ledger.tell(db, Loss(boot, "unknown", "damaged spool", ranges))
    log.error("%d messages of the damaged spool are sent on", sum(map(len, kept.values())))


def _part_from_lost_pictures(db: sqlite3.Connection, ledger: Ledger) -> None:
    """Drop pictures without their message, and let events say that their picture is lost."""
    other = (
        "NOT EXISTS (SELECT 1 FROM message AS other WHERE other.boot_id=message.boot_id"
        " AND other.sequence=message.sequence AND other.part<>message.part)"
    )
    db.execute(f"DELETE FROM message WHERE part=1 AND {other}")
    query = f"SELECT boot_id, sequence, payload FROM message WHERE kind='event' AND {other}"
    for boot, sequence, payload in db.execute(query).fetchall():
        if _announces(payload):
            ledger.lose_picture(db, boot, sequence, "damaged")


def _announces(payload: bytes) -> bool:
    try:
        return decode(payload, Event).image is not None
    except msgspec.MsgspecError:  # of a later version; its picture is announced by nobody else
        return False


def _boots(damaged: sqlite3.Connection, db: sqlite3.Connection) -> dict[str, int]:
    """Copy the boots that can be read; return how far each has counted."""
    counted = {}
    for boot, last, sent in _readable(damaged, "SELECT boot_id, last, sent FROM boot"):
        plausible = isinstance(last, int) and isinstance(sent, int) and 0 <= sent <= last < 2**53
        if isinstance(boot, str) and plausible:
            db.execute("INSERT OR IGNORE INTO boot VALUES (?, ?, ?)", (boot, last, sent))
            counted[boot] = last
    return counted


def _readable(damaged: sqlite3.Connection, query: str) -> list[Any]:
    try:
        return damaged.execute(query).fetchall()
    except _UNREADABLE as error:
        log.warning("not readable in the damaged spool: %s", error)
        return []


def _messages(damaged: sqlite3.Connection) -> Iterator[Any]:
    """Yield the rows from the first on until one cannot be read, then from the last on."""
    seen: set[int] = set()
    for ahead, order in ((">", "ASC"), ("<", "DESC")):
        edge = -1 if ahead == ">" else 2**62
        while True:
            query = (
                f"SELECT {_COLUMNS} FROM message NOT INDEXED WHERE id {ahead} ?"
                f" ORDER BY id {order} LIMIT 1"
            )
            try:
                row = damaged.execute(query, (edge,)).fetchone()
            except _UNREADABLE:
                break
            if row is None or row[0] in seen:
                break
            edge = row[0]
            seen.add(edge)
            yield row


def _keep(row: Any, db: sqlite3.Connection, aside: Path, pictures: Path) -> bool:
    """Insert a row that is what it was; return whether it was and is a message.

    It may be there already: of an earlier wreck that held it too.
    """
    _id, boot, sequence, part, kind, topic, retain, payload, file, crc = row
    try:
        content = payload if part == 0 else _adopt(file, aside / "pictures", pictures)
        size, found = Identity(boot, sequence, topic).measure(content)
    except (OSError, TypeError, AttributeError, ValueError):
        return False
    if found != crc:
        return False
    columns = "boot_id, sequence, part, kind, topic, retain, payload, file, bytes, crc"
    values = (boot, sequence, part, kind, topic, retain, payload, file, size, crc)
    query = f"INSERT INTO message ({columns}) VALUES ({', '.join('?' * len(values))})"
    known = "SELECT 1 FROM message WHERE (boot_id, sequence, part)=(?, ?, ?)"
    there = db.execute(known, (boot, sequence, part)).fetchone() is not None
    kept = there or _insert(db, query, values)
    return bool(part == 0 and kept)


def _adopt(file: str, old: Path, new: Path) -> bytes:
    """Move a picture and return it; an earlier attempt may have moved it. The rest is swept."""
    if Path(file).name != file:
        raise ValueError(f"{file!r} is no name of a picture")
    if not (new / file).exists():
        (old / file).rename(new / file)
    return (new / file).read_bytes()


def _insert(db: sqlite3.Connection, query: str, values: Any) -> bool:
    try:
        db.execute(query, values)
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):  # damaged in type or number
        return False
    return True


def _gaps(kept: set[int], last: int) -> tuple[Range, ...]:
    """Return what is missing of 1..last."""
    gaps = []
    after = 0
    for first, end in merge((n, n) for n in kept):
        if first > after + 1:
            gaps.append((after + 1, first - 1))
        after = end
    return (*gaps, (after + 1, last)) if after < last else tuple(gaps)
