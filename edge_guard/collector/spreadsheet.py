"""Text in CSV files that people open in spreadsheets: none of it is a formula there.

Whatever a device or a person has written is data. A cell that begins with one of ``= + - @``, a
tab or a line's end gets an apostrophe before it, see OWASP, CSV Injection; and so does one that
begins with apostrophes before such a letter, so that reading gives back what was written.
"""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_cell(text: str) -> str:
    """Return a text as it is written."""
    return f"'{text}" if _is_formula(text) else text


def from_cell(cell: str) -> str:
    """Return what was written to a cell."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell) else cell


def _is_formula(text: str) -> bool:
    return text.lstrip("'").startswith(_FORMULA)
