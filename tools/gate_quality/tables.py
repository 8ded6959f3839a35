"""Counts as a confusion table: kind of degradation × leading reason."""

from __future__ import annotations

from collections.abc import Iterator

from gate_quality.kinds import KINDS
from gate_quality.measure import GOOD, Counts

_RIGHT = {kind.name: kind.right for kind in KINDS}


def table(scene: str, found: dict[str, Counts]) -> Iterator[str]:
    """Yield the lines of one scene's table."""
    reasons = sorted({reason for counts in found.values() for reason in counts.leading})
    good = found[GOOD]
    yield f"## {scene}: {good.flagged}/{good.seen} good flagged ({good.flagged / good.seen:.4f})"
    yield f"hard limits refuse {good.invalid}/{good.seen} good images"
    short = [reason.removeprefix("gate.") for reason in reasons]
    yield f"{'kind':15} {'n':>5} {'caught':>6} {'hard':>5} {'right':>5}  " + " ".join(
        f"{name[:10]:>10}" for name in short
    )
    for kind, counts in found.items():
        right = sum(counts.leading[reason] for reason in _RIGHT.get(kind, ()))
        share = f"{right / max(counts.flagged, 1):5.3f}" if kind in _RIGHT else "     "
        yield (
            f"{kind:15} {counts.seen:5d} {counts.flagged / counts.seen:6.3f} "
            f"{counts.invalid / counts.seen:5.3f} {share}  "
        ) + " ".join(f"{counts.leading[reason] or '·':>10}" for reason in reasons)
