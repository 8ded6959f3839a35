"""The spool's rows in SQL: how they come in, which are due, how they go. No state of its own."""

from __future__ import annotations

import sqlite3
import zlib
from typing import NamedTuple

from edge_guard.publish.messages import Reply, decode

AGAIN = -1
"""The epoch of a row that was sent and is to be sent again at once."""
OVERDUE_ROUNDS = 3
"""A row sent in round r is overdue from round r + 3 on: two to three full rounds later."""
ROW_BYTES = 256
"""What a row costs beside its payload, roughly."""
_REPLIES = 1000
"""How many commands are remembered with what was replied."""
_MEMORY = "CREATE TABLE IF NOT EXISTS reply (command TEXT UNIQUE, payload BLOB) STRICT"
_LIVE_SHARE = 4  # one row in so many is the newest, so that a backlog does not delay live ones
_UNSENT = "part=? AND epoch<=0 ORDER BY epoch, id"
_NEWEST = "part=? AND epoch=0 ORDER BY id DESC"
_OVERDUE = "part=? AND epoch>0 AND epoch<=? ORDER BY epoch, id"

Range = tuple[int, int]


class Row(NamedTuple):
    """One row on its way: a message (part 0), or the picture of one (part 1)."""

    id: int
    epoch: int
    boot_id: str
    sequence: int
    part: int
    kind: str
    topic: str
    payload: bytes
    retain: bool


class Identity(NamedTuple):
    """Which message a payload is."""

    boot_id: str
    sequence: int
    topic: str

    def measure(self, payload: bytes) -> tuple[int, int]:
        """Return what the row costs in bytes, and the CRC-32 that ties the payload to it."""
        crc = zlib.crc32(f"{self.boot_id}/{self.sequence}/{self.topic}".encode())
        return len(payload) + ROW_BYTES, zlib.crc32(payload, crc)


def insert_message(db: sqlite3.Connection, identity: Identity, kind: str, payload: bytes) -> None:
    """Add a message; an alarm becomes the newest of its topic, the only one to be retained.

    A reply is remembered beyond its delivery: with it, its command is done.
    """
    if kind == "reply":
        _remember(db, decode(payload, Reply).command_id, payload)
    retain = kind == "alarm"
    topic = identity.topic
    if retain:
        db.execute("UPDATE message SET retain=0 WHERE kind='alarm' AND topic=?", (topic,))
        db.execute("INSERT OR REPLACE INTO alarm VALUES (?, ?)", (topic, payload))
    db.execute(
        "INSERT INTO message"
        " (boot_id, sequence, topic, part, kind, retain, payload, bytes, crc)"
        " VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?)",
        (*identity, kind, retain, payload, *identity.measure(payload)),
    )


def insert_picture(db: sqlite3.Connection, identity: Identity, file: str, content: bytes) -> None:
    """Add a picture whose file is on the disk."""
    db.execute(
        "INSERT INTO message (boot_id, sequence, topic, part, kind, retain, file, bytes, crc)"
        " VALUES (?, ?, ?, 1, 'image', 0, ?, ?, ?)",
        (*identity, file, *identity.measure(content)),
    )


def due(
    db: sqlite3.Connection, round_: int, limit: int, max_bytes: int, overdue: int, *, pictures: bool
) -> list[int]:
    """Return the ids of rows to send now, in order.

    The newest unsent messages, then unsent ones oldest first, then unsent pictures, then what was
    sent three rounds ago or earlier.

    Parameters
    ----------
    round_ : int
        The current round.
    limit : int
        Most rows.
    max_bytes : int
        Most payload bytes; the first row may exceed it.
    overdue : int
        Most rows of the last sort.
    pictures : bool
        Whether pictures may go; without them nothing is sent again either.
    """
    found: list[tuple[int, int]] = []

    def want(where: str, arguments: tuple[int, ...], most: int) -> None:
        query = f"SELECT id, bytes FROM message WHERE {where} LIMIT ?"
        found.extend(db.execute(query, (*arguments, most)).fetchall())

    want(_NEWEST, (0,), -(-limit // _LIVE_SHARE))
    want(_UNSENT, (0,), limit)
    if pictures:
        want(_UNSENT, (1,), limit)
        for part in (0, 1):
            want(_OVERDUE, (part, round_ - OVERDUE_ROUNDS), overdue)
    return _within(dict(found), limit, max_bytes)


def mark_sent(db: sqlite3.Connection, row: Row) -> None:
    """Note the round in which a row is sent, and how far its boot has come."""
    db.execute("UPDATE message SET epoch=? WHERE id=?", (row.epoch, row.id))
    db.execute("UPDATE boot SET sent=max(sent, ?) WHERE boot_id=?", (row.sequence, row.boot_id))


def rewrite(db: sqlite3.Connection, identity: Identity, payload: bytes) -> None:
    """Replace a message's payload; it goes out again if it was out already."""
    db.execute(
        f"UPDATE message SET payload=?, bytes=?, crc=?, epoch=iif(epoch=0, 0, {AGAIN})"
        " WHERE boot_id=? AND sequence=? AND part=0",
        (payload, *identity.measure(payload), identity.boot_id, identity.sequence),
    )


def release_range(db: sqlite3.Connection, boot_id: str, covered: Range) -> list[str | None]:
    """Delete what was sent with all its parts; return one entry a row, its picture file or None."""
    rows = db.execute(
        "DELETE FROM message WHERE boot_id=? AND sequence BETWEEN ? AND ? AND epoch<>0"
        " AND NOT EXISTS (SELECT 1 FROM message AS other WHERE other.boot_id=message.boot_id"
        " AND other.sequence=message.sequence AND other.epoch=0) RETURNING file",
        (boot_id, *covered),
    ).fetchall()
    return [file for (file,) in rows]


def release_row(db: sqlite3.Connection, row: Row) -> list[str]:
    """Delete a delivered row unless it was rewritten since; return its picture file, if any.

    A message waits for its picture, which went out after it, and goes with it.
    """
    if row.part == 1:
        db.execute(
            "DELETE FROM message WHERE boot_id=? AND sequence=? AND part=0 AND epoch>0",
            (row.boot_id, row.sequence),
        )
        return delete(db, row.boot_id, row.sequence, 1)
    db.execute(
        "DELETE FROM message WHERE id=? AND epoch=? AND boot_id=? AND NOT EXISTS"
        " (SELECT 1 FROM message AS other WHERE other.boot_id=message.boot_id"
        " AND other.sequence=message.sequence AND other.part=1)",
        (row.id, row.epoch, row.boot_id),
    )
    return []


def delete(db: sqlite3.Connection, boot_id: str, sequence: int, part: int) -> list[str]:
    """Delete one row; return its picture file, if any."""
    rows = db.execute(
        "DELETE FROM message WHERE boot_id=? AND sequence=? AND part=? RETURNING file",
        (boot_id, sequence, part),
    ).fetchall()
    return [file for (file,) in rows if file is not None]


def reply_to(db: sqlite3.Connection, command_id: str) -> bytes | None:
    """Return what was replied to a command; None: nothing yet, or long ago."""
    db.execute(_MEMORY)
    found = db.execute("SELECT payload FROM reply WHERE command=?", (command_id,)).fetchone()
    return None if found is None else bytes(found[0])


def _remember(db: sqlite3.Connection, command_id: str, payload: bytes) -> None:
    db.execute(_MEMORY)
    db.execute("INSERT OR REPLACE INTO reply VALUES (?, ?)", (command_id, payload))
    db.execute("DELETE FROM reply WHERE rowid <= (SELECT max(rowid) FROM reply) - ?", (_REPLIES,))


def count_loss(db: sqlite3.Connection, kind: str, cause: str, n: int) -> None:
    """Add to the durable count of what was given up."""
    db.execute(
        "INSERT INTO loss VALUES (?, ?, ?)"
        " ON CONFLICT (kind, cause) DO UPDATE SET n = n + excluded.n",
        (kind, cause, n),
    )


def _within(sizes: dict[int, int], limit: int, max_bytes: int) -> list[int]:
    chosen: list[int] = []
    for row_id, size in sizes.items():
        max_bytes -= size
        if len(chosen) == limit or (chosen and max_bytes < 0):
            break
        chosen.append(row_id)
    return chosen
