"""One model on one draw of references: the guard and its peers against every foreign set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from edge_guard.calibration.settings import Settings
from edge_guard.evaluation.metrics import auroc, fpr95
from edge_guard.pipeline import Pipeline
from edge_guard.types import Doubles
from guard_quality import peers
from guard_quality.domains import DOMAINS, FOREIGN, draw, foreign
from guard_quality.guarded import Features, calibrated, judge, look

HELD_OUT, FOREIGN_MOST = 600, 250
"""Images measured of each set, where it has so many."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One model against one foreign set: AUROC and FPR95 by detector, ``fused`` the guard's."""

    model: str
    foreign: str
    n: int
    auroc: dict[str, float]
    fpr95: dict[str, float]
    flagged: float

    @property
    def best(self) -> str:
        """The single detector that hindsight would choose; "" without peers."""
        singles = {name: value for name, value in self.auroc.items() if name != "fused"}
        return max(singles, key=lambda name: singles[name], default="")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One model on one draw of references."""

    model: str
    references: int
    held_out: int
    accuracy: float
    false_flags: int
    promised: float
    regime: str
    head_error: float | None
    pairs: list[Pair] = field(default_factory=list)

    @property
    def false_flag_rate(self) -> float:
        """Share of the held-out images that the guard flags."""
        return self.false_flags / self.held_out


def compare(model: str, references: int, seed: int) -> Comparison:
    """Calibrate a model and return how it fares against every foreign set.

    Parameters
    ----------
    model : str
        A key of `DOMAINS`.
    references, seed : int
    """
    split = draw(DOMAINS[model], references, HELD_OUT, seed)
    sets = {
        name: foreign(name, split.references, FOREIGN_MOST, seed)
        for name, images in FOREIGN.items()
        if images != DOMAINS[model]
    }
    with calibrated(model, split.references, Settings(seed=seed)) as bundle:
        pipeline = Pipeline(bundle, live=False)
        inside = judge(pipeline, split.held_out)
        outside = {name: judge(pipeline, images) for name, images in sets.items()}
        pipeline.close()
        singles: dict[str, dict[str, Doubles]] = {}
        error = None
        if peers.available():
            manifest = bundle.manifest
            see = partial(look, bundle.model, manifest.model_kind, manifest.plan, manifest.card)
            seen = {"": see(split.held_out)} | {name: see(s) for name, s in sets.items()}
            singles, error = _singles(see(split.references), seen)
        promise = bundle.manifest.promise
    result = Comparison(
        model,
        len(split.references),
        len(split.held_out),
        float((inside.predicted == split.labels).mean()),
        int(inside.flagged.sum()),
        promise.false_flag_rate,
        promise.regime,
        error,
    )
    for name, judged in outside.items():
        scores = {"fused": judged.fused} | singles.get(name, {})
        base = {"fused": inside.fused} | singles.get("", {})
        result.pairs.append(
            Pair(
                model,
                name,
                len(judged.fused),
                {key: auroc(base[key], score) for key, score in scores.items()},
                {key: fpr95(base[key], score) for key, score in scores.items()},
                float(judged.flagged.mean()),
            )
        )
    return result


def _singles(
    references: Features, seen: Mapping[str, Features]
) -> tuple[dict[str, dict[str, Doubles]], float]:
    """Return the peers' scores of each set, and what the recovered linear head leaves open."""
    everything = [references, *seen.values()]
    pool = Features(
        np.concatenate([s.features for s in everything]),
        np.concatenate([s.logits for s in everything]),
    )
    head = peers.linear_head(pool)
    fitted = peers.Peers(references, head)
    return {name: fitted.scores(s) for name, s in seen.items()}, peers.head_error(pool, head)
