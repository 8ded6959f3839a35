"""One promise, how often it was tried, and whether it was kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the table.

    Attributes
    ----------
    promise : str
        What was promised, in words.
    setting : str
        On what it was tried.
    trials : int
    measured : str
        What came out.
    bound : str
        What would still keep it.
    kept : bool
    """

    promise: str
    setting: str
    trials: int
    measured: str
    bound: str
    kept: bool


def table(checks: Iterable[Check]) -> Iterator[str]:
    """Yield the checks as a table."""
    yield "| promise | setting | trials | measured | kept when | kept |"
    yield "|---|---|---|---|---|---|"
    for c in checks:
        kept = "yes" if c.kept else "**no**"
        yield f"| {c.promise} | {c.setting} | {c.trials} | {c.measured} | {c.bound} | {kept} |"
