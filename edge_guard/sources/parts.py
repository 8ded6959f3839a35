"""Part ids from the names that a line gives its pictures."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from edge_guard.sources.trigger import MOST_PART

PART = "{part}"
PartReader = Callable[[str], str]
"""Returns the part id that a picture's path tells; empty where it tells none."""


def part_reader(pattern: str) -> PartReader:
    """Return what reads part ids off names.

    Parameters
    ----------
    pattern : str
        A name without its suffix: ``{part}`` once, ``*`` any text. The part id is as short as fits;
        what is unprintable or longer than `MOST_PART` is none.

    >>> part_reader("{part}_*")("in/BR-17_0003.png")
    'BR-17'
    """
    before, _, after = pattern.partition(PART)
    name = re.compile(f"{_glob(before)}(?P<part>.+?){_glob(after)}", re.DOTALL)

    def read(path: str) -> str:
        found = name.fullmatch(Path(path).stem)
        part = found["part"] if found else ""
        return part if part.isprintable() and len(part) <= MOST_PART else ""

    return read


def no_part(path: str) -> str:
    """Return no part id, whatever the picture."""
    return ""


def _glob(text: str) -> str:
    return ".*".join(map(re.escape, text.split("*")))
