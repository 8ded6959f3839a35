"""Distance of each place of a feature map to the nearest of a bank of normal places.

Score, higher = more anomalous:

    f(p) = mean of the map over the 3×3 positions round p that lie inside it
    q(p) = basis f(p) − offset                    the leading principal axes of normal places
    distance(p) = gain_p min_r ‖q(p) − bank_r‖    gain_p = 1 / what is usual at this place
    s    = mean of the 5 % largest distances of the frame

The distances are also the frame's heatmap. The bank holds the k-means centres of the references'
places rather than a greedy selection of them: 512 centres separated real defects as well as 2,000
places drawn at random, at a quarter of the cost.

References: Roth et al. 2022, "Towards total recall in industrial anomaly detection" (PatchCore),
§3.1-3.3, with the last step's re-weighting left out; Lloyd 1982, "Least squares quantization in
PCM".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_guard.types import Array, Doubles

NAME = "patches"
DIMENSIONS = 32
BANK_ROWS = 512
TOP_SHARE = 0.05
_FIT_ROWS = 10_000
_ROUNDS = 8
_CHUNK = 4096
_PRIOR_FRAMES = 85
_LEAST_USUAL = 1e-9


@dataclass(frozen=True, slots=True)
class Space:
    """The space in which places are compared.

    Attributes
    ----------
    basis : Doubles
        (D, C), orthonormal rows.
    offset : Doubles
        (D,), the mean place's coordinates.
    """

    basis: Doubles
    offset: Doubles

    def arrays(self) -> dict[str, Array]:
        """Return the arrays by their bundle names, as the kernel wants them."""
        parts = {"basis": self.basis, "offset": self.offset}
        return {f"patches.{name}": part.astype(np.float32) for name, part in parts.items()}

    def describe(self, maps: Array) -> Doubles:
        """Return the descriptors (N, H·W, D) of real-valued maps (N, H, W, C)."""
        places = averaged(maps) @ self.basis.T - self.offset
        return places.reshape(len(places), -1, len(self.basis))


def averaged(maps: Array) -> Doubles:
    """Return maps (N, H, W, C), each place averaged with its neighbours inside the map."""
    sums = np.asarray(maps, np.float64)
    for axis in (1, 2):
        counts = np.full(sums.shape[axis], 3.0)
        counts[0] -= 1.0
        counts[-1] -= 1.0
        padding = [(1, 1) if a == axis else (0, 0) for a in range(4)]
        padded, size = np.pad(sums, padding), sums.shape[axis]
        sums = np.sum([padded.take(range(i, i + size), axis) for i in range(3)], axis=0)
        sums = sums / counts.reshape([-1 if a == axis else 1 for a in range(4)])
    return sums


def fit_space(maps: Array) -> Space:
    """Return the leading principal axes of the places of maps (N, H, W, C)."""
    places = averaged(maps).reshape(-1, maps.shape[-1])
    mean = places.mean(0)
    _, axes = np.linalg.eigh((places - mean).T @ (places - mean))
    basis = axes[:, ::-1][:, :DIMENSIONS].T.copy()
    return Space(basis, basis @ mean)


def bank_rows(places: int, multiplications: int) -> int:
    """Return how many bank rows a map's search affords within so many multiplications a frame."""
    return max(16, min(BANK_ROWS, multiplications // (places * DIMENSIONS)))


def top_places(places: int) -> int:
    """Return how many of the largest distances the score averages."""
    return max(1, round(TOP_SHARE * places))


def fit_bank(descriptors: Array, rows: int, rng: np.random.Generator) -> Doubles:
    """Return k-means centres (B, D) of the places of reference frames.

    Parameters
    ----------
    descriptors : Array
        (N, P, D), finite.
    rows : int
        B; fewer where there are fewer places.
    rng : numpy.random.Generator
    """
    places = descriptors.reshape(-1, descriptors.shape[-1])
    drawn = rng.permutation(len(places))[:_FIT_ROWS]
    x = places[drawn].astype(np.float32)
    centres = x[: min(rows, len(x))].copy()
    for _ in range(_ROUNDS):
        nearest = _nearest(x, centres)
        counts = np.bincount(nearest, minlength=len(centres))
        order = np.argsort(nearest, kind="stable")
        filled = np.flatnonzero(counts)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])[filled]
        centres[filled] = np.add.reduceat(x[order], starts) / counts[filled, None]
    return centres.astype(np.float64)


def _nearest(x: Array, centres: Array) -> Array:
    half = 0.5 * (centres * centres).sum(1)
    chunks = range(0, len(x), _CHUNK)
    return np.concatenate([(half - x[i : i + _CHUNK] @ centres.T).argmin(1) for i in chunks])


def distances(descriptors: Array, bank: Array) -> Doubles:
    """Return each place's distance to its nearest bank row.

    Parameters
    ----------
    descriptors : Array
        (N, P, D).
    bank : Array
        (B, D), B ≥ 1.

    Returns
    -------
    Doubles
        (N, P), non-negative, in float64; the row is found in float32. NaN where a place holds NaN.
    """
    places = np.asarray(descriptors, np.float64).reshape(-1, descriptors.shape[-1])
    found = bank[_nearest(places.astype(np.float32), bank.astype(np.float32))]
    return np.asarray(np.sqrt(((places - found) ** 2).sum(1))).reshape(descriptors.shape[:2])


def place_gains(far: Array) -> Doubles:
    """Return 1 / the usual distance at each place: the map's edges differ more than its middle.

    The usual distance is the mean of the references there, drawn towards the mean of all places
    as if by `_PRIOR_FRAMES` more frames.

    Parameters
    ----------
    far : Array
        (N, P) distances of references to a bank that never saw them, N ≥ 1.
    """
    n, overall = len(far), float(far.mean())
    usual = (far.sum(0) + _PRIOR_FRAMES * overall) / (n + _PRIOR_FRAMES)
    return np.asarray(1.0 / np.maximum(usual, _LEAST_USUAL))


def frame_scores(far: Array, top: int) -> Doubles:
    """Return the mean of the ``top`` largest of each row of distances (N, P)."""
    return np.asarray(np.sort(far, axis=1)[:, -top:].mean(1))
