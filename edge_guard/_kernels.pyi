"""The C++ kernels (csrc/). Contracts are in csrc/kernels.hpp; this file types them for Python.

Every call validates its arguments (ValueError names the argument), drops the GIL while it
computes, and copies nothing silently: a wrong dtype or layout is an error.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

SIMD_LEVELS: tuple[str, ...]
"""Levels this machine can run, slowest first, for example ("scalar", "avx2")."""

STATISTICS: tuple[str, ...]
"""Names of the values that image_statistics writes, in order."""

CELLS: int
"""Cells per side of the grid that image_statistics averages over (8)."""

def simd_level() -> str:
    """Return the level in use; EDGE_GUARD_SIMD forces one at import."""

def set_simd_level(level: str) -> None:
    """Use ``level`` from now on, in all threads (for tests and benchmarks).
    Raises ValueError unless it is one of SIMD_LEVELS."""

def image_statistics(
    image: npt.NDArray[np.uint8],
    statistics: npt.NDArray[np.float32],
    cells: npt.NDArray[np.float32],
) -> int:
    """Fill ``statistics`` (len(STATISTICS),) and ``cells`` (2, CELLS, CELLS: luma mean, luma sd)
    for one image (H, W, 3) BGR or (H, W), any strides, H and W at least 16.
    Return a 64-bit hash of the pixels (equal for equal images)."""

class Tensor:
    """Layout of a buffer that a backend hands over."""

    def __init__(
        self,
        dtype: str,  # "float32" | "int8" | "uint8"
        height: int,
        width: int,
        channels: int,
        channels_last: bool = True,
        scale: float = 1.0,
        zero_point: int = 0,
    ) -> None: ...

class View:
    """One embedding of a frame and the guards that score it.

    source : index of a tap, or -1 for the image statistics.
    A tap with height·width = 1 gives its C values; a map gives 3·C values: per-channel mean,
    standard deviation, and standard deviation of the 4×4 block means.
    normalize : each consecutive block of this many values is divided by its L2 norm (0: none).
    scale : (D,) factors applied afterwards; empty = ones.
    center : (D,); where given, the embedding is asinh((x − center) · scale), so that the heavy
        tails of image statistics do not drown everything else.
    Gaussian (Mahalanobis distance squared to the nearest mean; absent when ``means`` is empty):
        d² = min_m Σ_r gain_r (b_r·(x−μ_m))² + perp · max(0, ‖x−μ_m‖² − Σ_r (b_r·(x−μ_m))²)
        means (M, D), basis (R, D) orthonormal rows, gain (R,).
    Nearest (squared Euclidean distance to the nearest row; absent when ``bank`` is empty): (N, D).
    """

    def __init__(
        self,
        source: int,
        normalize: int = 0,
        scale: npt.NDArray[np.float32] | None = None,
        means: npt.NDArray[np.float32] | None = None,
        basis: npt.NDArray[np.float32] | None = None,
        gain: npt.NDArray[np.float32] | None = None,
        perp: float = 0.0,
        bank: npt.NDArray[np.float32] | None = None,
        center: npt.NDArray[np.float32] | None = None,
    ) -> None: ...

class Fusion:
    """How K scores become one.

    z_k = (s_k − center_k) / spread_k,  a_k = sign(z_k)·ln(1 + |z_k|)
    fused = Σ weight_k a_k + Σ tail_k max(0, a_k − 1) + top1 · max a + top3 · mean of the 3 largest a
    with max and top-3 over the scores whose ``member`` is true (fewer than 3: all of them).
    p = (1 + #{calibration ≥ fused}) / (n + 1); ``calibration`` sorted ascending, float64.
    """

    def __init__(
        self,
        center: npt.NDArray[np.float64],
        spread: npt.NDArray[np.float64],
        weight: npt.NDArray[np.float64],
        tail: npt.NDArray[np.float64],
        member: npt.NDArray[np.bool_],
        top1: float,
        top3: float,
        calibration: npt.NDArray[np.float64],
    ) -> None: ...

class Scorer:
    """All guards of one frame in one call. Not for two threads at once.

    Scores, in order: gen, energy, msp (when ``logits`` is given), then for each view its gaussian
    (when it has means) and its nearest (when it has a bank).

    ``probabilities``: the logits buffer holds probabilities; ln(max(p, 1e-12)) is used instead.
    gen    = Σ over the ``top`` largest p of p^gamma (1−p)^gamma, p = softmax(logits/temperature)
    energy = −temperature · ln Σ exp(logits/temperature)
    msp    = 1 − max p
    """

    n_scores: int
    n_indices: int
    embedding_sizes: tuple[int, ...]
    """D of each view."""

    def __init__(
        self,
        logits: Tensor | None,
        probabilities: bool,
        temperature: float,
        gamma: float,
        top: int,
        taps: Sequence[Tensor],
        n_statistics: int,
        views: Sequence[View],
        fusion: Fusion | None,
    ) -> None: ...
    def score(
        self,
        logits: npt.NDArray[np.generic] | None,
        taps: tuple[npt.NDArray[np.generic], ...],
        statistics: npt.NDArray[np.float32],
        values: npt.NDArray[np.float64],
        indices: npt.NDArray[np.int32],
    ) -> None:
        """Score one frame.

        values (n_scores + 3,): the scores, then fused, p_value, max p. Without fusion, fused and
        p_value are NaN; without logits, max p is NaN. NaN inputs give NaN scores, never a crash.
        indices (n_indices,): argmax of the logits (−1 without), then for each view with means the
        nearest mean's row and for each view with a bank the nearest row.
        """
    def embed(
        self,
        taps: tuple[npt.NDArray[np.generic], ...],
        statistics: npt.NDArray[np.float32],
        out: npt.NDArray[np.float32],
    ) -> None:
        """Write every view's embedding, one after the other, into out (sum of embedding_sizes,)."""
