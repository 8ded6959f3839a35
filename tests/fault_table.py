"""The table that the fault suite ends with: one row a fault, from whichever process ran it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

PROPERTY = "fault"
"""A test's report carries its rows under this name."""
_HEADS = ("fault", "repetitions", "produced", "stored", "reported", "duplicates", "lost", "")


def table(rows: Iterable[Sequence[object]]) -> str:
    """Return the rows as a Markdown table."""
    lines = [_HEADS, *((*map(str, row),) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADS))]
    shown = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([shown[0], rule, *shown[1:]]) + "\n"
