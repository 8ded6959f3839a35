"""What is stored of each boot of each device, inside one transaction."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from edge_guard.collector import schema
from edge_guard.collector.parse import RefusedError
from edge_guard.collector.progress import MOST_RANGES, Progress
from edge_guard.collector.rows import among, insertion
from edge_guard.publish.messages import BootReceipt

_WRITTEN = ("stored", "given_up", "highest", "complete", "dropped")
BOOTS_IN_GREETING = 16
"""Boots named in the receipt that answers a device's state."""


class Boot:
    """One boot of one device.

    Attributes
    ----------
    id, device : int
        Rows in the database.
    name : str
        The boot id that the device chose.
    stored, given_up : Progress
        Sequences in the database, and those that the device reported lost.
    """

    def __init__(self, number: int, device: int, name: str, stored: str, given_up: str) -> None:
        self.id = number
        self.device = device
        self.name = name
        self.stored = Progress.from_text(stored)
        self.given_up = Progress.from_text(given_up)

    def needs(self, sequence: int) -> bool:
        """Return whether the sequence is not stored yet.

        Raises
        ------
        RefusedError
            It would scatter what is stored too widely; the device sends it again later.
        """
        if sequence in self.stored:
            return False
        adjacent = sequence - 1 in self.stored or sequence + 1 in self.stored
        if self.stored.full and not adjacent:
            raise RefusedError("too many gaps")
        return True

    def store(self, sequence: int) -> None:
        """Count the sequence as stored."""
        self.stored.add(sequence, sequence)

    def give_up(self, ranges: tuple[tuple[int, int], ...]) -> int:
        """Return how many sequences are lost by this: neither stored nor reported lost before.

        Raises
        ------
        RefusedError
            They are scattered too widely.
        """
        if len(self.given_up.ranges) + len(ranges) > MOST_RANGES:
            raise RefusedError("too many gaps")
        before = self.stored.union(self.given_up).count
        for first, last in ranges:
            self.given_up.add(first, last)
        return self.stored.union(self.given_up).count - before

    def receipt(self) -> BootReceipt:
        """Return what the device may forget of this boot."""
        return self.stored.union(self.given_up).receipt(self.name)


class Boots:
    """The boots that a transaction is about; it has locked their devices.

    Parameters
    ----------
    connection : Connection
        In a transaction.
    keys : collection of (int, str)
        Device's id and the name of its boot; boots never heard of are inserted.
    """

    def __init__(self, connection: Connection, keys: Collection[tuple[int, str]]) -> None:
        self._connection = connection
        self._touched: set[tuple[int, str]] = set()
        self._known = self._find(keys)
        missing = sorted(key for key in keys if key not in self._known)
        if missing:
            empty = {"stored": "[]", "given_up": "[]", "highest": 0, "complete": 0, "dropped": 0}
            rows = [{"device_id": device, "boot": name} | empty for device, name in missing]
            connection.execute(insertion(connection, schema.boots), rows)
            self._known |= self._find(missing)

    def get(self, device: int, name: str) -> Boot:
        """Return one of the boots."""
        self._touched.add((device, name))
        return self._known[device, name]

    def save(self) -> list[Boot]:
        """Return the boots that were asked for, now written."""
        touched = [self._known[key] for key in sorted(self._touched)]
        if touched:
            self._connection.execute(_SAVE, [_values(boot) for boot in touched])
        return touched

    def _find(self, keys: Collection[tuple[int, str]]) -> dict[tuple[int, str], Boot]:
        boots = schema.boots
        rows = self._connection.execute(
            select(boots)
            .where(among(self._connection, boots.c.device_id, {device for device, _ in keys}))
            .where(among(self._connection, boots.c.boot, {name for _, name in keys}))
        )
        return {(row.device_id, row.boot): _boot(row) for row in rows}

    def newest(self, device: int) -> list[Boot]:
        """Return the boots that a device which (re)connects may ask about."""
        boots = schema.boots
        rows = self._connection.execute(
            select(boots)
            .where(boots.c.device_id == device)
            .order_by(boots.c.id.desc())
            .limit(BOOTS_IN_GREETING)
        )
        return [_boot(row) for row in rows]


_SAVE = (
    update(schema.boots)
    .where(schema.boots.c.id == bindparam("number"))
    .values({name: bindparam(f"new_{name}") for name in _WRITTEN})
)


def _values(boot: Boot) -> dict[str, object]:
    done = boot.stored.union(boot.given_up)
    written = (
        boot.stored.text(),
        boot.given_up.text(),
        done.highest,
        boot.stored.count,
        done.count - boot.stored.count,
    )
    return {"number": boot.id} | {
        f"new_{name}": value for name, value in zip(_WRITTEN, written, strict=True)
    }


def _boot(row: Row[Any]) -> Boot:
    return Boot(row.id, row.device_id, row.boot, row.stored, row.given_up)
