"""What is stored of each boot of each device, inside one transaction."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from edge_guard.collector import schema
from edge_guard.collector.parse import RefusedError
from edge_guard.collector.progress import MOST_RANGES, Progress
from edge_guard.collector.rows import find_or_insert
from edge_guard.publish.messages import BootReceipt

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
    """The boots that a transaction touches; each row is locked from its first use."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._touched: dict[tuple[int, str], Boot] = {}

    def get(self, device: int, name: str) -> Boot:
        """Return a boot, new where it was never heard of."""
        if (device, name) not in self._touched:
            empty = {"stored": "[]", "given_up": "[]", "highest": 0, "complete": 0, "dropped": 0}
            key = {"device_id": device, "boot": name}
            number = find_or_insert(self._connection, schema.boots, key, empty)
            row = self._connection.execute(
                select(schema.boots).where(schema.boots.c.id == number).with_for_update()
            ).one()
            self._touched[device, name] = Boot(number, device, name, row.stored, row.given_up)
        return self._touched[device, name]

    def save(self) -> list[Boot]:
        """Return the touched boots, now written."""
        for boot in self._touched.values():
            done = boot.stored.union(boot.given_up)
            values = {
                "stored": boot.stored.text(),
                "given_up": boot.given_up.text(),
                "highest": done.highest,
                "complete": boot.stored.count,
                "dropped": done.count - boot.stored.count,
            }
            boots = schema.boots
            self._connection.execute(update(boots).where(boots.c.id == boot.id).values(values))
        return list(self._touched.values())

    def newest(self, device: int) -> list[Boot]:
        """Return the boots that a device which (re)connects may ask about."""
        boots = schema.boots
        rows = self._connection.execute(
            select(boots)
            .where(boots.c.device_id == device)
            .order_by(boots.c.id.desc())
            .limit(BOOTS_IN_GREETING)
        )
        return [Boot(row.id, device, row.boot, row.stored, row.given_up) for row in rows]
