"""The measurements as tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from accuracy_quality.audits import Kept
from accuracy_quality.real import Row
from edge_guard.publish.messages import AccuracyBasis


def scene(name: str, basis: AccuracyBasis | None, rows: Sequence[Row]) -> Iterator[str]:
    """Yield one model's table, and what it comes to."""
    yield f"### {name}"
    if basis is None:
        yield "no estimate: too few labels or changes"
        return
    yield (
        f"method {basis.method}, accepted references {basis.labelled} with accuracy "
        f"{basis.reference:.3f}, error promised within {basis.bias:+.3f} ± {basis.spread:.3f}"
    )
    yield ""
    yield "| production | flagged | accepted | true | estimate | error | |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        yield _line(row)
    yield ""
    for words, part in (
        ("shown", [r for r in rows if not r.hidden]),
        ("hidden, 30 or more accepted", [r for r in rows if r.hidden and r.accepted >= 30]),
    ):
        if part:
            errors = np.array([abs(r.error) for r in part])
            yield (
                f"{words}: {len(part)}; mean |error| {errors.mean():.3f}, largest "
                f"{errors.max():.3f}; the interval holds the truth in {sum(r.held for r in part)}"
            )
    yield ""


def audits(found: Iterable[Kept]) -> Iterator[str]:
    """Yield the table of simulated audits."""
    yield "| model | judged | accuracy | interval holds | limit holds | bias |"
    yield "|---|---|---|---|---|---|"
    for kept in found:
        yield (
            f"| {kept.setting} | {kept.judged:.0f} | {kept.accuracy:.3f} | {kept.held:.3f} "
            f"| {kept.at_least:.3f} | {kept.bias:+.4f} |"
        )


def _line(row: Row) -> str:
    start = f"| {row.change} | {row.flagged:.3f} | {row.accepted} |"
    if row.told is None:
        return f"{start} | | | nothing is accepted |"
    told = f"{row.told.accuracy:.3f} ({row.told.low:.3f} to {row.told.high:.3f})"
    held = "holds" if row.held else "**misses**"
    state = f"hidden ({held})" if row.hidden else held
    return f"{start} {row.true:.3f} | {told} | {row.error:+.3f} | {state} |"
