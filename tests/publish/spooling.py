"""What tests of the spool do with it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from devices import open_outbox

from edge_guard.publish.messages import BootReceipt
from edge_guard.publish.outbox import Outbox
from edge_guard.publish.rows import OVERDUE_ROUNDS, Row


def take(outbox: Outbox, limit: int = 10_000, overdue: int = 0) -> list[Row]:
    return outbox.spool.take(limit, 1_000_000_000, overdue)


def receive(outbox: Outbox, contiguous: int, highest: int = 0, *gaps: tuple[int, int]) -> int:
    boot = outbox.spool.boot_id
    return outbox.spool.release(
        BootReceipt(boot, contiguous, max(highest, contiguous), tuple(gaps))
    )


def reopen(outbox: Outbox, folder: Path, max_bytes: int = 100_000_000) -> Outbox:
    outbox.spool.close()
    return open_outbox(folder, max_bytes)


def picture_files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "spool" / "pictures").iterdir())


def everything(outbox: Outbox) -> list[Row]:
    """Return every message that the spool holds."""
    for _ in range(OVERDUE_ROUNDS):
        outbox.spool.next_round()
    return [row for row in take(outbox, overdue=10_000) if row.part == 0]


def make_future(folder: Path) -> None:
    """Give a spool a version that nobody can read yet."""
    with sqlite3.connect(folder / "spool" / "spool.sqlite") as future:
        future.execute("PRAGMA user_version=99")
    future.close()
