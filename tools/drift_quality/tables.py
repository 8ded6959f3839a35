"""The measurements as tables in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from drift_quality.real import Found
from drift_quality.streams import Outcome


def real_table(found: Found) -> Iterator[str]:
    """Yield a scene's table."""
    yield f"### {found.scene}"
    yield ""
    yield "; ".join(found.promises)
    yield ""
    yield (
        f"{found.false_alarms} false alarm(s) in {found.clean} untouched frames; "
        f"{found.spoilt} trial(s) spoilt by one; {found.cost_us:.0f} µs a frame in situ"
    )
    yield ""
    yield "| change | alarmed | median delay, frames | called | size |"
    yield "|---|---|---|---|---|"
    outcomes = [*found.outcomes, *found.unknown]
    for name in dict.fromkeys(o.change for o in outcomes):
        yield _row(name, [o for o in outcomes if o.change == name])
    yield ""


def _row(name: str, some: list[Outcome]) -> str:
    seen = [o for o in some if o.delay is not None]
    delay = f"{np.median([o.delay for o in seen]):.0f}" if seen else "–"
    called = ", ".join(f"{f} {n}" for f, n in Counter(o.family for o in seen).most_common())
    sizes = [(o.size, o.error) for o in seen if o.size is not None and o.error is not None]
    size = f"{sizes[0][0]:+.1f} ± {sizes[0][1]:.1f}" if sizes else "–"
    return f"| {name} | {len(seen)} of {len(some)} | {delay} | {called or '–'} | {size} |"


def causes(found: Iterable[Found]) -> tuple[float, float, int, int]:
    """Return the share of alarms called rightly, known and unknown, and how many there are."""
    some = list(found)
    known = [o.right for f in some for o in f.outcomes if o.delay is not None]
    unknown = [o.right for f in some for o in f.unknown if o.delay is not None]
    share = [float(np.mean(part)) if part else float("nan") for part in (known, unknown)]
    return share[0], share[1], len(known), len(unknown)
