"""Guards from observations: fitted arrays, out-of-fold scores, and their fusion."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_guard.backends.spec import TapPlan
from edge_guard.calibration.contrast import fit_contrast
from edge_guard.calibration.folds import Fold
from edge_guard.calibration.outliers import SMALL
from edge_guard.calibration.places import FittedPlaces
from edge_guard.calibration.references import Observations
from edge_guard.calibration.weights import fit_fusion
from edge_guard.gate.gate import STATISTICS
from edge_guard.guards.contrast import Contrast
from edge_guard.guards.fusion import Fusion
from edge_guard.guards.logits import logit_scores
from edge_guard.guards.mahalanobis import Gaussian, fit_gaussian
from edge_guard.guards.nearest import nearest
from edge_guard.manifest import ViewSpec
from edge_guard.types import Array, Doubles

BANK_ROWS = 2000
"""Nearest-neighbour banks keep at most this many references."""

_TEXTURE = "gradient|edge|tenengrad|coherence|orientation|laplacian|focus|noise|local|lbp"
STATISTIC_VIEWS = {
    "tone": f"(?!{_TEXTURE}|level|darkest|brightest|correlation|spectrum)",
    "levels": "level|darkest|brightest",
    "texture": _TEXTURE,
    "correlation": "correlation",
    "spectrum": "spectrum",
}
"""Image statistics by what they speak of. Each kind is a view of its own: in one vector together
the loudest kind would drown the others."""

_SPREAD_FLOOR = 1e-3


def default_views(plan: TapPlan) -> tuple[ViewSpec, ...]:
    """Return the views that guards score: kinds of image statistics, and every tap."""
    views = [
        ViewSpec(name, -1, 0, gaussian=True, nearest=True, columns=_columns(pattern))
        for name, pattern in STATISTIC_VIEWS.items()
    ]
    every = _columns("")
    views += [
        ViewSpec("picture", -1, 0, gaussian=False, nearest=False, contrast=True, columns=every)
    ]
    for index, tap in enumerate(plan.taps):
        name = f"tap{index}" if tap.height * tap.width > 1 else "features"
        views.append(ViewSpec(name, index, tap.channels, gaussian=True, nearest=True))
    return tuple(views)


def _columns(pattern: str) -> tuple[int, ...]:
    """Return the image statistics whose name starts with the pattern."""
    return tuple(i for i, name in enumerate(STATISTICS) if re.match(pattern, name))


@dataclass(frozen=True, slots=True)
class FittedView:
    """One view's fitted guards, in its own space.

    rows : array of int
        (B,), the references in the bank, ascending; the same in all views.
    center, scale : Doubles or None
        For image statistics: x → asinh((x − center) · scale) on the columns of the view.
    """

    spec: ViewSpec
    rows: npt.NDArray[np.intp]
    center: Doubles | None
    scale: Doubles | None
    gaussian: Gaussian | None
    bank: Doubles | None
    contrast: Contrast | None

    def scores(self, embedding: Array) -> Doubles:
        """Return (N, G), the scores of the view's G guards on embeddings (N, D)."""
        x = _transformed(embedding, self.spec, self.center, self.scale)
        parts = [self.gaussian.distances(x)] if self.gaussian else []
        parts += [nearest(x, self.bank)[0]] if self.bank is not None else []
        parts += [self.contrast.scores(x)] if self.contrast else []
        return np.stack(parts, axis=1)

    def arrays(self, dimension: int) -> dict[str, Array]:
        """Return the arrays as the kernel wants them, float32, all D columns of the source."""
        parts: dict[str, Array] = {}
        if self.gaussian:
            parts |= {"means": self.gaussian.means, "basis": self.gaussian.basis}
        if self.bank is not None:
            parts["bank"] = self.bank
        if self.contrast:
            parts["contrast"] = self.contrast.weight.reshape(2, -1)
        if self.center is not None and self.scale is not None:
            parts |= {"center": self.center[None], "scale": self.scale[None]}
        columns = self.spec.columns or tuple(range(dimension))
        spread: dict[str, Array] = {}
        for name, part in parts.items():
            spread[name] = np.zeros((len(part), dimension), np.float32)
            spread[name][:, columns] = part
        for name in {"center", "scale", "contrast"} & set(spread):
            spread[name] = spread[name].ravel()
        return spread | ({"gain": self.gaussian.gain.astype(np.float32)} if self.gaussian else {})


def _transformed(
    embedding: Array, spec: ViewSpec, center: Doubles | None, scale: Doubles | None
) -> Doubles:
    """Return what the guards of a view see of its source's embedding."""
    x = np.asarray(embedding, np.float64)
    if center is None or scale is None:
        return x
    return np.asarray(np.arcsinh((x[:, spec.columns] - center) * scale))


def fit_views(
    views: Sequence[ViewSpec],
    embeddings: Sequence[Array],
    predicted: npt.NDArray[np.intp],
    outliers: Sequence[Array],
    kinds: Array,
    rng: np.random.Generator,
) -> list[FittedView]:
    """Return the guards of each view, fitted on embeddings (N, D_v) and pseudo-outliers'."""
    fitted = []
    rows = np.sort(rng.permutation(len(predicted))[:BANK_ROWS])
    for view, embedding, outlier in zip(views, embeddings, outliers, strict=True):
        center, scale = (
            _robust_location(embedding[:, view.columns]) if view.columns else (None, None)
        )
        x = _transformed(embedding, view, center, scale)
        classes = predicted if view.source >= 0 else np.zeros_like(predicted)
        gaussian = fit_gaussian(x, classes) if view.gaussian else None
        contrast = None
        if view.contrast:
            contrast = fit_contrast(x, _transformed(outlier, view, center, scale), kinds)
        bank = x[rows] if view.nearest else None
        fitted.append(FittedView(view, rows, center, scale, gaussian, bank, contrast))
    return fitted


def _robust_location(x: Array) -> tuple[Doubles, Doubles]:
    """Return median and 1/spread of each column; what hardly varies counts by a floor."""
    values = np.asarray(x, np.float64)
    center = np.median(values, axis=0)
    low, high = np.quantile(values, [0.16, 0.84], axis=0)
    return center, 1.0 / np.maximum((high - low) / 2.0, _SPREAD_FLOOR * (1.0 + np.abs(center)))


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
    places : FittedPlaces or None
        The feature-map guard, whose scores are the last column.
    """

    views: list[FittedView]
    fusion: Fusion
    references: Doubles
    raw: Doubles
    places: FittedPlaces | None

    @property
    def banked(self) -> npt.NDArray[np.intp]:
        """The references in the nearest-neighbour banks, ascending."""
        return self.views[0].rows

    def ranks(self) -> Array:
        """Return those references' raw scores, (B, K) float32, each column ascending."""
        return np.sort(self.raw[self.banked].astype(np.float32), axis=0)


def fit_guards(
    views: Sequence[ViewSpec],
    seen: Observations,
    outliers: Observations,
    origins: npt.NDArray[np.intp],
    kinds: Array,
    folds: Sequence[Fold],
    temperature: float,
    rng: np.random.Generator,
    places: FittedPlaces | None = None,
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
    places : FittedPlaces, optional
    """
    used = origins >= 0
    predicted = predictions(seen.logits, len(seen))
    width = (3 if seen.logits.shape[1] else 0) + sum(
        view.gaussian + view.nearest + view.contrast for view in views
    )
    inside, outside = np.zeros((len(seen), width)), np.zeros((len(outliers), width))

    def fit(rows: npt.NDArray[np.intp], imagined: npt.NDArray[np.bool_]) -> list[FittedView]:
        references, others = (
            [e[chosen] for e in source.embeddings]
            for source, chosen in ((seen, rows), (outliers, imagined))
        )
        return fit_views(views, references, predicted[rows], others, kinds[imagined], rng)

    for fold in folds:
        held = np.isin(origins, fold.score)
        fitted = fit(fold.fit, used & ~held)
        for target, source, rows in (
            (inside, seen, fold.score),
            (outside, outliers, np.flatnonzero(held)),
        ):
            if len(rows):
                embeddings = [e[rows] for e in source.embeddings]
                target[rows] = raw_scores(fitted, embeddings, source.logits[rows], temperature)
    small = SMALL if places is not None else ()
    if places is not None:
        inside = np.column_stack([inside, places.inside])
        outside = np.column_stack([outside, places.outside])
    return FittedGuards(
        views=fit(np.arange(len(seen)), used),
        fusion=fit_fusion(inside, outside[used], kinds[used], small),
        references=_cross_fused(inside, outside[used], origins[used], kinds[used], small, folds),
        raw=inside,
        places=places,
    )


def _cross_fused(
    inside: Doubles,
    outside: Doubles,
    origins: npt.NDArray[np.intp],
    kinds: Array,
    small: Sequence[str],
    folds: Sequence[Fold],
) -> Doubles:
    """Return fused scores of the references by fusions that never saw them either."""
    fused = np.zeros(len(inside))
    for fold in folds:
        others = ~np.isin(origins, fold.score)
        fusion = fit_fusion(inside[fold.fit], outside[others], kinds[others], small)
        fused[fold.score] = fusion.fuse(inside[fold.score])
    return fused


def predictions(logits: Array, n: int) -> npt.NDArray[np.intp]:
    """Return the argmax of each row; zeros without classes."""
    return logits.argmax(1) if logits.shape[1] else np.zeros(n, np.intp)


def view_arrays(
    views: Sequence[ViewSpec], fitted: Sequence[FittedView], embeddings: Sequence[Array]
) -> dict[str, Array]:
    """Return the views' arrays by their bundle names."""
    return {
        f"{view.name}.{part}": array
        for view, fit, embedding in zip(views, fitted, embeddings, strict=True)
        for part, array in fit.arrays(embedding.shape[1]).items()
    }
