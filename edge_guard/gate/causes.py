"""What has happened to a flagged picture: the known way of spoiling it whose pictures are likest.

Each way was applied to the references (`edge_guard.calibration.causes`) and left a cloud in the
space of the standardised descriptions

    x_j = asinh((d_j − center_j) / scale_j)        center = median, scale = half of q84 − q16

with the mean μ_w and the covariance Σ_w = ¼ S_w + ¾ S, S_w its own and S that of all ways about
their means. The references themselves are one more way, with a covariance of their own. S and
theirs are shrunk by D / (M + D) towards a multiple of the identity. The way is

    argmax_w  −½ (d²_w + ln |Σ_w|),  d²_w = (x − μ_w)ᵀ Σ_w⁻¹ (x − μ_w)

(Friedman 1989, "Regularized discriminant analysis"), unless x is much farther from it than any of
its own pictures: then nothing known has happened. Only for frames that are flagged anyway.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_guard.gate.spec import CauseSpec, Way
from edge_guard.types import Array, Doubles

OWN_SHARE = 0.25
"""Share of its own covariance in a way's covariance."""

_SCALE_FLOOR = 1e-3
_FEWEST = 8
"""A way with fewer pictures than this teaches nothing."""

_FARTHER = 1.4
"""d² over the largest of a way's own pictures, each left out, up to which it explains a frame:
faults are stronger or weaker on the line than imagined."""

UNTOUCHED = Way("untouched", "other", "")
UNKNOWN = Way("unknown", "other", "")


@dataclass(frozen=True, slots=True)
class CauseModel:
    """The fitted ways, W of them in D dimensions.

    Attributes
    ----------
    rarity : Array
        (16,), of `edge_guard.gate.description.fit_rarity`.
    center, scale : Array
        (D,), of the references' descriptions.
    means : Array
        (W, D).
    roots : Array
        (W, D, D): R with R Rᵀ = Σ_w⁻¹.
    offsets : Array
        (W,): −½ ln |Σ_w|.
    limits : Array
        (W,), the d² beyond which a way explains nothing.
    """

    rarity: Array
    center: Array
    scale: Array
    means: Array
    roots: Array
    offsets: Array
    limits: Array

    def likeliest(self, spec: CauseSpec, description: Array) -> Way:
        """Return the way that a description (D,) has most likely come about by, or `UNKNOWN`."""
        x = _standardised(description, self.center, self.scale)
        apart = np.einsum("wd,wde->we", x - self.means, self.roots)
        distances = (apart * apart).sum(1)
        way = int((self.offsets - 0.5 * distances).argmax())
        return spec.ways[way] if distances[way] <= self.limits[way] else UNKNOWN


def fit_causes(
    references: Doubles, made: Doubles, ways: tuple[Way, ...], rarity: Doubles
) -> tuple[CauseModel, CauseSpec] | None:
    """Return the model of causes; None where no way left enough changed pictures.

    Parameters
    ----------
    references : Doubles
        (N, D) descriptions of the references.
    made : Doubles
        (M, D) descriptions of pictures that something has happened to.
    ways : tuple of Way
        (M,), what has happened to each.
    rarity : Doubles
        (16,), that the descriptions were made with.
    """
    kinds = [way for way in dict.fromkeys(ways) if ways.count(way) >= _FEWEST]
    if not kinds:
        return None
    center = np.median(references, axis=0)
    low, high = np.quantile(references, [0.16, 0.84], axis=0)
    scale = np.maximum((high - low) / 2.0, _SCALE_FLOOR * (1.0 + np.abs(center)))
    own, x = (_standardised(d, center, scale) for d in (references, made))
    members = [x[[way == kind for way in ways]] for kind in kinds]
    pooled = _covariance(np.concatenate([m - m.mean(0) for m in members]))
    covariances = [_way_covariance(m, pooled) for m in members]
    factors = [np.linalg.cholesky(c) for c in (*covariances, _covariance(own - own.mean(0)))]
    roots = [np.linalg.inv(f).T for f in factors]
    farthest = [_farthest(m, pooled) for m in members]
    farthest.append(float((((own - own.mean(0)) @ roots[-1]) ** 2).sum(1).max()))
    model = CauseModel(
        rarity=rarity,
        center=center,
        scale=scale,
        means=np.array([m.mean(0) for m in (*members, own)]),
        roots=np.array(roots, np.float32),
        offsets=np.array([-np.log(np.diag(f)).sum() for f in factors]),
        limits=_FARTHER * np.array(farthest),
    )
    return model, CauseSpec((*kinds, UNTOUCHED))


def _way_covariance(members: Doubles, pooled: Doubles) -> Doubles:
    return np.asarray(OWN_SHARE * np.cov(members, rowvar=False) + (1 - OWN_SHARE) * pooled)


def _farthest(members: Doubles, pooled: Doubles) -> float:
    """Return the largest d² of a way's pictures, each by the way without it."""
    found = 0.0
    for i, x in enumerate(members):
        rest = np.delete(members, i, axis=0)
        apart = x - rest.mean(0)
        found = max(found, float(apart @ np.linalg.solve(_way_covariance(rest, pooled), apart)))
    return found


def _standardised(descriptions: Array, center: Array, scale: Array) -> Doubles:
    return np.asarray(np.arcsinh((descriptions - center) / scale))


def _covariance(centred: Doubles) -> Doubles:
    """Return the shrunk covariance of rows (M, D)."""
    m, d = centred.shape
    covariance = centred.T @ centred / m
    share = d / (m + d)
    level = max(float(np.trace(covariance)) / d, 1e-9)
    return np.asarray((1.0 - share) * covariance + share * level * np.eye(d))
