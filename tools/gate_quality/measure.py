"""What the guard says of one scene's good and degraded images."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from real_data import linked_model

from edge_guard.backends.infer import load_card
from edge_guard.bundle import Bundle
from edge_guard.calibration.calibrate import calibrate
from edge_guard.calibration.references import Reference
from edge_guard.calibration.settings import Settings
from edge_guard.pipeline import Pipeline
from edge_guard.types import Frame, Image, Verdict
from gate_quality.kinds import KINDS, changed
from gate_quality.scenes import Scene


@dataclass(slots=True)
class Counts:
    """How many images of one kind were seen, flagged, refused by a hard limit, and why.

    Attributes
    ----------
    seen, flagged, invalid : int
    leading : Counter of str
        Leading reasons of the flagged ones.
    """

    seen: int = 0
    flagged: int = 0
    invalid: int = 0
    leading: Counter[str] = field(default_factory=Counter)

    def add(self, other: Counts) -> None:
        """Count another's images as well."""
        self.seen += other.seen
        self.flagged += other.flagged
        self.invalid += other.invalid
        self.leading += other.leading


GOOD = "good"


def measure(scene: Scene, seed: int) -> dict[str, Counts]:
    """Return the counts of each kind of degradation, and of the good images."""
    with _calibrated(scene, seed) as bundle:
        pipeline = Pipeline(bundle, live=False)
        found = {GOOD: _count(pipeline, scene.good)}
        for k, kind in enumerate(KINDS):
            if kind.needs == "color" and scene.degraded[0].ndim == 2:
                continue
            if kind.needs == "fixed" and not scene.fixed:
                continue
            rng = np.random.default_rng([seed, k])
            spoilt = [changed(kind, image, rng) for image in scene.degraded]
            found[kind.name] = _count(pipeline, spoilt)
        pipeline.close()
    return found


def _count(pipeline: Pipeline, images: list[Image]) -> Counts:
    counts = Counts()
    for i, image in enumerate(images):
        result = pipeline.inspect(Frame("quality", i, image))
        counts.seen += 1
        if result.verdict == Verdict.ACCEPT:
            continue
        counts.flagged += 1
        counts.invalid += result.verdict == Verdict.INVALID
        counts.leading[result.reasons[0].guard] += 1
    return counts


@contextmanager
def _calibrated(scene: Scene, seed: int) -> Iterator[Bundle]:
    loaded = [Reference(f"{i:05d}", "", lambda x=x: x) for i, x in enumerate(scene.references)]  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as folder:
        model = Path(scene.model)
        file = model if model.is_file() else linked_model(scene.model, Path(folder))
        card = load_card(file, None)
        settings = Settings(seed=seed, labels="none")
        out = Path(folder) / "X.guard"
        yield calibrate(file, loaded, out, card=card.card, labels=card.labels, settings=settings)
