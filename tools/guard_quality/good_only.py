"""Defects found by a guard that has seen good parts only, on a model that knows nothing of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from real_data import images

from edge_guard.calibration.settings import Settings
from edge_guard.evaluation.metrics import auroc
from edge_guard.pipeline import Pipeline
from guard_quality.guarded import calibrated

MODEL, CELLS = "mobilenet_v2_coral_quant", "elpv_a"
REFERENCES = 100


@dataclass(frozen=True, slots=True)
class GoodOnly:
    """AUROC of normal against defective parts by score; ``fused`` is the guard's."""

    references: int
    normal: int
    defective: int
    auroc: dict[str, float]


def good_only(seed: int) -> GoodOnly:
    """Return how solar cells with defects stand out to a photo classifier's guard."""
    cells = images(CELLS)
    rng = np.random.default_rng(seed)
    good = rng.permutation(np.flatnonzero(cells.labels == 0))
    bad = np.flatnonzero(cells.labels != 0)
    with calibrated(MODEL, [cells.images[i] for i in good[:REFERENCES]], Settings(seed=seed)) as b:
        pipeline = Pipeline(b, live=False)
        names = [*b.manifest.guards.scores, "fused"]
        inside, outside = (
            np.array([_scores(pipeline, cells.images[i]) for i in rows])
            for rows in (good[REFERENCES:], bad)
        )
        pipeline.close()
    found = {name: auroc(inside[:, k], outside[:, k]) for k, name in enumerate(names)}
    return GoodOnly(REFERENCES, len(inside), len(outside), found)


def _scores(pipeline: Pipeline, image: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    scored = pipeline.score(image)
    return np.append(scored.scores, scored.fused)
