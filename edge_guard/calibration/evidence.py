"""What the labelled references say of the finished guard, kept so that later labels add to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edge_guard.bundle import Bundle
from edge_guard.calibration.accuracy import Labelled
from edge_guard.drift.accuracy import is_flagged
from edge_guard.pipeline import Pipeline
from edge_guard.types import Array, Frame, Verdict


def with_evidence(bundle: Bundle, labelled: Labelled, length: float) -> Bundle:
    """Return the bundle with confidence and outcome of its labelled references.

    ``evidence.confidence`` (N,) float64, NaN where the guards or the gate flag; ``evidence.right``
    (N,) uint8. Of neighbours that say as much as one, one is kept.

    Parameters
    ----------
    bundle : Bundle
        Finished but for this.
    labelled : sequence of (Reference, int)
        References with their true label that no part of the confidence's ranking has seen.
    length : float
        How many neighbouring references say as much as one.
    """
    kept = labelled[:: max(1, round(length))]
    if not kept or bundle.manifest.confidence is None:
        return bundle
    pipeline = Pipeline(bundle, live=False)
    try:
        results = [pipeline.inspect(Frame("references", 0, r.load())) for r, _ in kept]
    finally:
        pipeline.close()
    passing = [not is_flagged(r) and r.verdict is not Verdict.INVALID for r in results]
    confidence = [
        r.confidence if ok and r.confidence is not None else np.nan
        for r, ok in zip(results, passing, strict=True)
    ]
    right = [r.label_index == truth for r, (_, truth) in zip(results, kept, strict=True)]
    arrays: dict[str, Array] = {
        "evidence.confidence": np.array(confidence, np.float64),
        "evidence.right": np.array(right, np.uint8),
    }
    return replace(bundle, arrays=bundle.arrays | arrays)
