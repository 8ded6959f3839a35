"""The invariant: produced = stored + reported drops, no duplicate, no lost alarm or summary.

produced = Produced()                     # what the device says that it has put on its disk
account("kill -9 of the daemon", 50, produced, tmp_path)
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
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

    def note(
    fault: str, repetitions: int, remark: str, *, kept: int = 0, reported: int = 0, lost: int = 0
) -> None:
    """Put a row into the table for what needs no collector."""
    total = kept + reported + lost
    ROWS.append(Row(fault, repetitions, total, kept, reported, 0, lost, remark))


def table() -> str:
    """Return the rows as a Markdown table."""
    heads = ("fault", "repetitions", "produced", "stored", "reported", "duplicates", "lost", "")
    lines = [heads, *((*map(str, row),) for row in ROWS)]
    widths = [max(len(str(line[column])) for line in lines) for column in range(len(heads))]
    shown = [
        "| "
        + " | ".join(str(cell).ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([shown[0], rule, *shown[1:]]) + "\n"
