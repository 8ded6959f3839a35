"""Whether references are foreign to the bundle that is there: another product, light or place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_guard.bundle import Bundle
from edge_guard.errors import EdgeGuardError
from edge_guard.pipeline import Pipeline
from edge_guard.types import Frame, Image, Verdict

SAMPLE = 24
"""Pictures that are shown to the bundle."""
_FOREIGN = 0.5
"""Share of doubted pictures from which they count as foreign: a hundred times the usual rate."""
_DOUBTED, _LEAST = 6, 3
"""Of a few pictures so many are to be doubted, or all; fewer than the least tell nothing."""


def foreign(bundle: Bundle, path: Path, images: Sequence[Image]) -> str:
    """Return what speaks against the images being what the bundle guards; empty where nothing does.

    A bundle that does not run here, for whatever reason, says nothing.

    Parameters
    ----------
    bundle : Bundle
    path : Path
        Its name in the sentence.
    images : sequence of Image
        As the model sees them.
    """
    try:
        pipeline = Pipeline(bundle, live=False)
    except EdgeGuardError:
        return ""
    try:
        results = [pipeline.inspect(Frame("references", i, im)) for i, im in enumerate(images)]
    finally:
        pipeline.close()
    limit = bundle.manifest.promise.p_limit
    doubted = [r for r in results if r.verdict is Verdict.INVALID or (r.p_value or 1.0) <= limit]
    needed = max(_FOREIGN * len(results), min(_DOUBTED, len(results)), _LEAST)
    if len(doubted) < needed:
        return ""
    reasons = [reason.message for r in doubted for reason in r.reasons[:1]]
    why = f" ({max(set(reasons), key=reasons.count)})" if reasons else ""
    return (
        f"{len(doubted)} of {len(results)} images are foreign to {path}, the bundle there is{why}"
    )
