"""The invariant: produced = stored + reported drops, no duplicate, no lost alarm or summary.

produced = Produced()                     # what the device says that it has put on its disk
account("kill -9 of the daemon", 50, produced, tmp_path)
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

PRECIOUS = ("alarm", "summary")


class Row(NamedTuple):
    fault: str
    repetitions: int
    produced: int
    stored: int
    reported: int
    duplicates: int
    lost: int
    remark: str


ROWS: list[Row] = []


@dataclass
class Produced:
    """What a device has put on its disk, by boot: the last sequence, and what must not be lost."""

    last: dict[str, int] = field(default_factory=dict)
    precious: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    refused: int = 0
    """What the device could not even put there, and says so."""

    def note(self, boot: str, sequence: int, kind: str = "event") -> None:
        self.last[boot] = max(sequence, self.last.get(boot, 0))
        if kind in PRECIOUS:
            self.precious[boot].add(sequence)


class Books:
    """What a collector has, read from its database."""

    def __init__(self, folder: Path) -> None:
        with closing(sqlite3.connect(folder / "c.sqlite")) as db:
            rows = db.execute("SELECT id, boot, stored, given_up FROM boots").fetchall()
            self.stored = {boot: _numbers(stored) for _, boot, stored, _ in rows}
            self.given_up = {boot: _numbers(given_up) for _, boot, _, given_up in rows}
            names = {number: boot for number, boot, _, _ in rows}
            self.rows: list[tuple[str, int]] = []
            self.precious: dict[str, set[int]] = defaultdict(set)
            for name in ("events", "summaries", "alarms"):
                where = " WHERE complete" if name == "events" else ""
                for boot, sequence in db.execute(f"SELECT boot_id, sequence FROM {name}{where}"):
                    self.rows.append((names[boot], sequence))
                    if name != "events":
                        self.precious[names[boot]].add(sequence)

    def duplicates(self, boots: Iterable[str]) -> int:
        rows = [row for row in self.rows if row[0] in boots]
        return len(rows) - len(set(rows))


def _numbers(ranges: str) -> set[int]:
    return {n for first, last in json.loads(ranges) for n in range(first, last + 1)}


def account(
    fault: str, repetitions: int, produced: Produced, folder: Path, remark: str = ""
) -> Books:
    """Balance the books, put a row into the table, and return them."""
    books = Books(folder)
    n_stored = n_reported = lost = missing = 0
    for boot, last in produced.last.items():
        stored = books.stored.get(boot, set())
        reported = books.given_up.get(boot, set()) - stored
        everything = set(range(1, max(last, *stored, 0) + 1)) if stored else set(range(1, last + 1))
        missing += len(everything - stored - reported)
        n_stored += len(stored & everything)
        n_reported += len(reported & everything)
        lost += len(produced.precious[boot] - books.precious[boot])
    total = n_stored + n_reported + missing + produced.refused
    n_reported += produced.refused
    doubled = books.duplicates(produced.last)
    row = Row(fault, repetitions, total, n_stored, n_reported, doubled, lost + missing, remark)
    ROWS.append(row)
    assert missing == 0, f"{missing} are neither stored nor reported: {row}"
    assert lost == 0, f"alarms or summaries are lost: {row}"
    assert row.duplicates == 0, row
    assert total > 0, row
    return books


def note(
    fault: str, repetitions: int, remark: str, *, kept: int = 0, reported: int = 0, lost: int = 0
) -> None:
    """Put a row into the table for what needs no collector."""
    total = kept + reported + lost
    ROWS.append(Row(fault, repetitions, total, kept, reported, 0, lost, remark))
