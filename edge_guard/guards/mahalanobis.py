"""Mahalanobis distance to the nearest class mean (MDS++), with Ledoit-Wolf shrinkage.

Score, higher = more anomalous:

    d²(x) = min_c (x − μ_c)ᵀ Σ⁻¹ (x − μ_c),   Σ = (1 − ρ) S + ρ ν I,   ν = tr(S) / D

with one covariance S shared by all classes. Σ⁻¹ is kept as R ≤ n − 1 eigenvectors and one
isotropic rest, so that neither fit nor score needs a D × D matrix when n < D.

References: Lee et al. 2018, "A simple unified framework for detecting out-of-distribution
samples and adversarial attacks", eq. 1-2; Müller & Hein 2025, "Mahalanobis++" (L2-normalised
features); Ledoit & Wolf 2004, "A well-conditioned estimator for large-dimensional covariance
matrices", eq. 14.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_guard.types import Array, Doubles

MIN_PER_CLASS = 15
"""Predicted classes with fewer references share one common mean."""

_EIGENVALUE_FLOOR = 1e-10
"""Directions below this share of the largest variance are rounding, not signal."""


@dataclass(frozen=True, slots=True)
class Gaussian:
    """A fitted shared-covariance Gaussian.

    Attributes
    ----------
    means : Doubles
        (M, D), one row a class.
    basis : Doubles
        (R, D), orthonormal rows.
    gain : Doubles
        (R,), inverse variance along each row.
    perp : float
        Inverse variance in the directions that no row spans.
    """

    means: Doubles
    basis: Doubles
    gain: Doubles
    perp: float

    def distances(self, x: Array) -> Doubles:
        """Return d² of each row to its nearest mean.

        Parameters
        ----------
        x : Array
            (N, D).

        Returns
        -------
        Doubles
            (N,), non-negative; NaN where a row holds NaN.
        """
        points = np.asarray(x, np.float64)
        best = np.full(len(points), np.inf)
        for mean in self.means:
            z = points - mean
            along = z @ self.basis.T
            rest = np.maximum((z * z).sum(1) - (along * along).sum(1), 0.0)
            best = np.minimum(best, (along * along) @ self.gain + self.perp * rest)
        return best


def class_means(x: Array, predicted: npt.NDArray[np.intp]) -> tuple[Doubles, Doubles]:
    """Return the mean rows and each reference's own mean.

    Parameters
    ----------
    x : Array
        (N, D) reference embeddings.
    predicted : array of int
        (N,), the model's predicted class of each; labels are not needed.

    Returns
    -------
    means : Doubles
        (M, D): one a class with at least `MIN_PER_CLASS` members; the rest share one.
    own : Doubles
        (N, D): the mean that each reference belongs to.
    """
    points = np.asarray(x, np.float64)
    classes, sizes = np.unique(predicted, return_counts=True)
    large = classes[sizes >= MIN_PER_CLASS]
    others = ~np.isin(predicted, large)
    own = np.empty_like(points)
    means = []
    for members in [predicted == c for c in large] + ([others] if others.any() else []):
        mean = points[members].mean(0)
        means.append(mean)
        own[members] = mean
    return np.array(means), own


def ledoit_wolf_shrinkage(z: Doubles) -> float:
    """Return the shrinkage intensity ρ of centred rows, 0 (none) to 1 (sphere).

    ρ = min(b̄², d²) / d²,  d² = ‖S − νI‖²_F,  b̄² = (Σ_i ‖z_i‖⁴ / n − ‖S‖²_F) / n, all through the
    n × n Gram matrix (Ledoit & Wolf 2004, eq. 14, Frobenius norms not divided by D).

    Parameters
    ----------
    z : Doubles
        (N, D), each row minus its mean.
    """
    n, d = z.shape
    squares = (z * z).sum(1)
    gram = z @ z.T if n <= d else z.T @ z
    norm2 = float((gram * gram).sum()) / n**2
    spread = norm2 - (float(squares.sum()) / n) ** 2 / d
    if spread <= 0.0:
        return 1.0
    noise = (float((squares * squares).sum()) / n - norm2) / n
    return float(min(max(noise, 0.0) / spread, 1.0))


def fit_gaussian(x: Array, predicted: npt.NDArray[np.intp]) -> Gaussian:
    """Return the Gaussian of reference embeddings.

    Parameters
    ----------
    x : Array
        (N, D) finite reference embeddings, N ≥ 2.
    predicted : array of int
        (N,), the model's predicted classes; zeros where it has none.
    """
    means, own = class_means(x, predicted)
    z = np.asarray(x, np.float64) - own
    n, d = z.shape
    rho = ledoit_wolf_shrinkage(z)
    nu = float((z * z).sum()) / (n * d)
    if nu <= 0.0:  # all references alike: any difference at all is infinitely far
        return Gaussian(
            means, np.zeros((0, d)), np.zeros(0), float(np.finfo(np.float32).max) ** 0.5
        )
    basis, variance = _principal_axes(z)
    floor = max(rho * nu, 1e-6 * nu)
    return Gaussian(means, basis, 1.0 / ((1.0 - rho) * variance + floor), 1.0 / floor)


def _principal_axes(z: Doubles) -> tuple[Doubles, Doubles]:
    """Return the covariance's eigenvectors (R, D) and variances (R,), by the smaller Gram side."""
    n, d = z.shape
    if d <= n:
        variance, vectors = np.linalg.eigh(z.T @ z / n)
        keep = variance > _EIGENVALUE_FLOOR * variance[-1]
        return np.ascontiguousarray(vectors[:, keep].T), variance[keep]
    values, left = np.linalg.eigh(z @ z.T / n)
    keep = values > _EIGENVALUE_FLOOR * values[-1]
    basis = (left[:, keep] / np.sqrt(values[keep] * n)).T @ z
    return np.ascontiguousarray(basis), values[keep]
