"""Guards from observations: fitted arrays, out-of-fold scores, and their fusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_guard.backends.spec import TapPlan
from edge_guard.calibration.folds import Fold
from edge_guard.calibration.references import Observations
from edge_guard.calibration.weights import fit_fusion
from edge_guard.guards.fusion import Fusion
from edge_guard.guards.logits import logit_scores
from edge_guard.guards.mahalanobis import Gaussian, fit_gaussian
from edge_guard.guards.nearest import nearest
from edge_guard.manifest import ViewSpec
from edge_guard.types import Array, Doubles

BANK_ROWS = 2000
"""Nearest-neighbour banks keep at most this many references."""

_SCALE_FLOOR = 1e-3


def default_views(plan: TapPlan) -> tuple[ViewSpec, ...]:
    """Return the views that guards score: the image statistics and every tap."""
    views = [ViewSpec("image", -1, 0, gaussian=True, nearest=True)]
    for index, tap in enumerate(plan.taps):
        name = f"tap{index}" if tap.height * tap.width > 1 else "features"
        views.append(ViewSpec(name, index, tap.channels, gaussian=True, nearest=True))
    return tuple(views)


@dataclass(frozen=True, slots=True)
class FittedView:
    """One view's fitted guards, in its scaled embedding space."""

    scale: Doubles
    gaussian: Gaussian
    bank: Doubles

    def scores(self, embedding: Array) -> Doubles:
        """Return (N, 2): Mahalanobis and nearest-neighbour scores of embeddings (N, D)."""
        x = embedding * self.scale
        return np.stack([self.gaussian.distances(x), nearest(x, self.bank)[0]], axis=1)


def fit_views(
    views: Sequence[ViewSpec],
    embeddings: Sequence[Array],
    predicted: npt.NDArray[np.intp],
    rng: np.random.Generator,
) -> list[FittedView]:
    """Return the guards of each view, fitted on embeddings (N, D_v)."""
    fitted = []
    for view, embedding in zip(views, embeddings, strict=True):
        x = np.asarray(embedding, np.float64)
        scale = np.ones(x.shape[1]) if view.normalize else _inverse_spread(x)
        x = x * scale
        rows = rng.permutation(len(x))[:BANK_ROWS]
        classes = predicted if view.source >= 0 else np.zeros_like(predicted)
        fitted.append(FittedView(scale, fit_gaussian(x, classes), x[np.sort(rows)]))
    return fitted


def _inverse_spread(x: Doubles) -> Doubles:
    """Return 1/sd of each column; statistics that hardly vary count by a floor on their sd."""
    deviation = x.std(0)
    return np.asarray(1.0 / np.maximum(deviation, _SCALE_FLOOR * (1.0 + np.abs(x).mean(0))))


def raw_scores(
    fitted: Sequence[FittedView], embeddings: Sequence[Array], logits: Array, temperature: float
) -> Doubles:
    """Return (N, K) raw scores in the kernel's order."""
    parts = [logit_scores(logits, temperature)] if logits.shape[1] else []
    parts += [f.scores(e) for f, e in zip(fitted, embeddings, strict=True)]
    return np.concatenate(parts, axis=1)


@dataclass(frozen=True, slots=True)
class FittedGuards:
    """Everything that fitting gives.

    Attributes
    ----------
    views : list of FittedView
        Fitted on all references.
    fusion : Fusion
    references : Doubles
        (N,) fused scores of the references, out of fold.
    raw : Doubles
        (N, K) raw scores of the references, out of fold.
    """

    views: list[FittedView]
    fusion: Fusion
    references: Doubles
    raw: Doubles


def fit_guards(
    views: Sequence[ViewSpec],
    seen: Observations,
    outliers: Observations,
    origins: npt.NDArray[np.intp],
    kinds: Array,
    folds: Sequence[Fold],
    temperature: float,
    rng: np.random.Generator,
) -> FittedGuards:
    """Return guards whose reference scores come from guards that never saw them.

    Parameters
    ----------
    views : sequence of ViewSpec
    seen, outliers : Observations
        The references and their pseudo-outliers.
    origins : array of int
        (M,), the reference that each pseudo-outlier was made from; −1 to leave it out.
    kinds : array of str
        (M,), kind of each pseudo-outlier.
    folds : sequence of Fold
        Cover every reference once.
    temperature : float
        Softmax temperature of the logit scores.
    """
    used = origins >= 0
    predicted = predictions(seen.logits, len(seen))
    classes = 3 if seen.logits.shape[1] else 0
    inside = np.zeros((len(seen), classes + 2 * len(views)))
    outside = np.zeros((len(outliers), inside.shape[1]))
    for fold in folds:
        fitted = fit_views(views, [e[fold.fit] for e in seen.embeddings], predicted[fold.fit], rng)
        for target, source, rows in (
            (inside, seen, fold.score),
            (outside, outliers, np.flatnonzero(np.isin(origins, fold.score))),
        ):
            if len(rows):
                embeddings = [e[rows] for e in source.embeddings]
                target[rows] = raw_scores(fitted, embeddings, source.logits[rows], temperature)
    return FittedGuards(
        views=fit_views(views, seen.embeddings, predicted, rng),
        fusion=fit_fusion(inside, outside[used], kinds[used]),
        references=_cross_fused(inside, outside[used], origins[used], kinds[used], folds),
        raw=inside,
    )


def _cross_fused(
    inside: Doubles,
    outside: Doubles,
    origins: npt.NDArray[np.intp],
    kinds: Array,
    folds: Sequence[Fold],
) -> Doubles:
    """Return fused scores of the references by fusions that never saw them either."""
    fused = np.zeros(len(inside))
    for fold in folds:
        others = ~np.isin(origins, fold.score)
        fusion = fit_fusion(inside[fold.fit], outside[others], kinds[others])
        fused[fold.score] = fusion.fuse(inside[fold.score])
    return fused


def predictions(logits: Array, n: int) -> npt.NDArray[np.intp]:
    """Return the argmax of each row; zeros without classes."""
    return logits.argmax(1) if logits.shape[1] else np.zeros(n, np.intp)


def view_arrays(views: Sequence[ViewSpec], fitted: Sequence[FittedView]) -> dict[str, Array]:
    """Return the views' arrays by their bundle names, float32."""
    arrays: dict[str, Array] = {}
    for view, fit in zip(views, fitted, strict=True):
        parts = {
            "scale": fit.scale,
            "means": fit.gaussian.means,
            "basis": fit.gaussian.basis,
            "gain": fit.gaussian.gain,
            "bank": fit.bank,
        }
        arrays |= {f"{view.name}.{part}": a.astype(np.float32) for part, a in parts.items()}
    return arrays
