"""The C++ kernels (csrc/). Contracts are in csrc/kernels.hpp; this file types them for Python.

Every call validates its arguments (ValueError names the argument), drops the GIL while it
computes, and copies nothing silently: a wrong dtype or layout is an error.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

SIMD_LEVELS: tuple[str, ...]
"""Levels this machine can run, slowest first: "scalar" (the reference), "sse2" or "neon" (what
every CPU of the architecture has), "avx2" (with FMA), "avx512" (F, BW, DQ, VL, VNNI), "dotprod"
(NEON with the int8 dot product)."""

STATISTICS: tuple[str, ...]
"""Names of the first 80 values that image_statistics writes; defined in csrc/statistics.cpp."""

LEVELS: tuple[str, ...]
"""Names of the 18 values that follow: how often which grey levels are, and the extremes."""

CELLS: int
"""Cells per side of the grid that image_statistics averages over (8)."""

def simd_level() -> str:
    """Return the level in use: the fastest, or the one that EDGE_GUARD_SIMD names at import.

    An EDGE_GUARD_SIMD that this machine cannot run makes the import raise ImportError, naming it
    and the possible ones.
    """

def set_simd_level(level: str) -> None:
    """Use ``level`` from now on, in all threads; for tests and benchmarks.

    Raises
    ------
    ValueError
        It is not one of SIMD_LEVELS.
    """

def image_statistics(
    image: npt.NDArray[np.uint8],
    statistics: npt.NDArray[np.float32],
    cells: npt.NDArray[np.float32],
) -> int:
    """Return a 64-bit hash of the pixels, equal for equal images, and fill the two outputs.

    Every number is the same at every SIMD level and for every memory layout of equal pixels.
    Constant images give finite values. Of images with 256 rows and more, samples of the rows are
    measured, every other one is hashed; about 0.15 ms for 640×480 BGR with AVX2.

    Parameters
    ----------
    image : (H, W, 3) BGR or (H, W) uint8, H and W from 16 to 32768, any strides
    statistics : (len(STATISTICS) + len(LEVELS),) float32, written
    cells : (2, CELLS, CELLS) float32, written: mean, then standard deviation of the luma of each
        cell; cell i of a side of n pixels spans i·n//8 to (i+1)·n//8

    Raises
    ------
    ValueError
        An array has another dtype, shape or layout; the message names it.
    """

def within(
    values: npt.NDArray[np.float32],
    columns: npt.NDArray[np.int32],
    low: npt.NDArray[np.float64],
    high: npt.NDArray[np.float64],
) -> bool:
    """Return whether low ≤ values[columns] ≤ high throughout; NaN is outside."""

def scene_light(
    means: npt.NDArray[np.float32],
    center: npt.NDArray[np.float64],
    spread: npt.NDArray[np.float64],
    floor: float,
) -> tuple[float, float]:
    """Return shift and worst of the cells (CELLS, CELLS) of a fixed scene.

    shift = median(means − center);  worst = max |means − center − shift| / (spread + floor)
    """

def median_change(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    """Return the median of |a − b| over the cells (CELLS, CELLS)."""

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
    standard deviation, and standard deviation of the block means of a 4×4 grid (fewer rows or
    columns where the map has fewer; divisor n throughout).
    columns (D,): the values of the source that are read, in this order; empty = all.
    normalize : each consecutive block of this many values is divided by its L2 norm (0: none);
        it must divide D; a zero block stays zero.
    scale : (D,) factors applied afterwards; empty = ones.
    center : (D,); where given, the embedding is asinh((x − center) · scale), so that the heavy
        tails of image statistics do not drown everything else.
    Gaussian (Mahalanobis distance squared to the nearest mean; absent when ``means`` is empty):
        d² = min_m Σ_r gain_r (b_r·(x−μ_m))² + perp · max(0, ‖x−μ_m‖² − Σ_r (b_r·(x−μ_m))²)
        means (M, D), basis (R, D) orthonormal rows, gain (R,).
    Nearest (squared Euclidean distance in float64 to the nearest row, the first of equals; absent
        when ``bank`` is empty): (N, D). Exact, though most rows are ruled out by one byte a value
        (csrc/bank.hpp).
    Contrast (absent when ``contrast`` is empty): Σ_i w_i x_i + w_{D+i} |x_i| over the embedding x,
        contrast (2·D,); its index is −1.
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
        contrast: npt.NDArray[np.float32] | None = None,
        columns: npt.NDArray[np.int32] | None = None,
    ) -> None: ...

class Patches:
    """The feature-map guard: distance of each place of a map to the nearest of a bank.

    f(p) = mean of the map, dequantized, over the 3×3 positions round p that lie inside it
    q(p) = basis f(p) − offset;  distance(p) = gain_p min_r ‖q(p) − bank_r‖
    score = mean of the ``top`` largest distances (of all where there are fewer positions)

    tap : index of the tap that it reads.
    basis (D, C), offset (D,), bank (B, D). Without a bank there is no score, only `describe`.
    gain (H·W,), not below 0; empty = ones.
    """

    def __init__(
        self,
        tap: int,
        basis: npt.NDArray[np.float32],
        offset: npt.NDArray[np.float32],
        bank: npt.NDArray[np.float32] | None = None,
        top: int = 1,
        gain: npt.NDArray[np.float32] | None = None,
    ) -> None: ...

class Fusion:
    """How K scores become one.

    z_k = (s_k − center_k) / spread_k,  a_k = sign(z_k)·ln(1 + |z_k|),  b_k = 3 tanh(a_k / 3)
    fused = Σ weight_k b_k + Σ tail_k max(0, a_k − knee_k)
            + top1 · max b + top3 · mean of the 3 largest b (fewer than 3: all of them).
    solo (3,): gain, offset, softness; with a the last score's,
    fused ← fused + softness ln(1 + exp((gain a + offset − fused) / softness))
    p = (1 + #{calibration ≥ fused}) / (n + 1); ``calibration`` sorted ascending, float64.
    """

    def __init__(
        self,
        center: npt.NDArray[np.float64],
        spread: npt.NDArray[np.float64],
        weight: npt.NDArray[np.float64],
        tail: npt.NDArray[np.float64],
        knee: npt.NDArray[np.float64],
        top1: float,
        top3: float,
        calibration: npt.NDArray[np.float64],
        solo: npt.NDArray[np.float64] | None = None,
    ) -> None: ...

class Scorer:
    """All guards of one frame in one call, without allocating.

    Not for two threads at once: the second gets RuntimeError. Fitted arrays were copied by View
    and are shared by every Scorer that uses it.

    Scores, in order: gen, energy, msp (when ``logits`` is given), then for each view its gaussian
    (when it has means) and its nearest (when it has a bank), then the patches (when they have a
    bank).

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
        patches: Patches | None = None,
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
        indices (n_indices,): argmax of the logits (−1 without), then for each view its nearest
        mean's row (when it has means) and its nearest row (when it has a bank), then the position
        of the patches' largest distance. Ties go to the first; −1 where nothing is at a finite
        distance, as for NaN.

        Buffers must be C-contiguous and of the announced dtype and size, in any shape.
        """
    def embed(
        self,
        taps: tuple[npt.NDArray[np.generic], ...],
        statistics: npt.NDArray[np.float32],
        out: npt.NDArray[np.float32],
    ) -> None:
        """Write every view's embedding, one after the other, into out (sum of embedding_sizes,)."""

    def describe(
        self, taps: tuple[npt.NDArray[np.generic], ...], out: npt.NDArray[np.float32]
    ) -> None:
        """Write q of every position of the patches' map into out (H·W, D).

        Raises
        ------
        ValueError
            The Scorer has no patches.
        """
    def distances(self, out: npt.NDArray[np.float32]) -> None:
        """Write the distances of the last scored frame into out (H·W,); NaN before the first."""

DRIFT_CHANNELS: int
"""Channels that a picture alone gives (11): light, contrast, focus, noise, red, blue, local,
across, down, turn, scale."""

class DriftReader:
    """Reads the drift monitors' channels of one scene; formulas in edge_guard/drift/channels.py.

    center, weights : (C,) float64 mean of each cell and its weight; weights sum to 1.
    picture : (P,) float32 mean sample; empty where the scene is not fixed.
    registration : (4, P) float32; empty where the scene is not fixed.
    picked : (5,) int32 indices of sd, focus, noise, red and blue among the statistics.
    order : int32, which of the `DRIFT_CHANNELS` a row begins with.

    Raises
    ------
    ValueError
        Sizes do not agree; the message names the argument.
    """

    def __init__(
        self,
        center: npt.NDArray[np.float64],
        weights: npt.NDArray[np.float64],
        picture: npt.NDArray[np.float32],
        registration: npt.NDArray[np.float32],
        picked: npt.NDArray[np.int32],
        order: npt.NDArray[np.int32],
    ) -> None: ...
    def read(
        self,
        image: npt.NDArray[np.uint8] | None,
        statistics: npt.NDArray[np.float32],
        cells: npt.NDArray[np.float32],
        others: tuple[float, ...],
        row: npt.NDArray[np.float64],
    ) -> bool:
        """Fill a row; return True where its channels are, to the bit, those that it held before.

        row : channels by ``order``, ``others``, as many of the statistics as fit, 2·C cells.
        An image of None, or of another size than the references, has no moves: NaN.
        """

def step_charts(
    x: npt.NDArray[np.float64],
    frame: float,
    clip: float,
    channel: npt.NDArray[np.float64],
    column: npt.NDArray[np.float64],
    before: npt.NDArray[np.float64],
    columns: npt.NDArray[np.float64],
) -> bool:
    """Take one frame's values into CUSUM charts; return whether any alarms.

    Formulas in edge_guard/drift/cusum.py. Of K channels and n charts:

    x : (K,); a channel whose value is not finite rests.
    frame : number of the frame, which ``since`` takes where a chart stands at 0.
    clip : largest standardised value.
    channel : (3, K) mean, ρ, √(1 − ρ²).
    column : (3 n + 2, 2 K) 1/scale, allowance and limit of each chart, jump, second; all upper
        sides, then all lower ones.
    before : (K,) written; NaN where there is no neighbour.
    columns : (2 n + 2, 2 K) written: level and since of each chart, jumping, jumped.
    """

def step_ranks(
    x: npt.NDArray[np.float64],
    block: npt.NDArray[np.float64],
    edge: npt.NDArray[np.float64],
    anew: npt.NDArray[np.float64],
    bets: npt.NDArray[np.float64],
    uniform: npt.NDArray[np.float64],
    sums: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
    wealth: npt.NDArray[np.float64],
) -> bool:
    """Take one frame's values into blocks, and rank and bet on those that are full.

    Formulas in edge_guard/drift/edetector.py. Returns whether a block was full.

    x, block, anew, uniform : (K,); anew is 1 where the stream itself is the history, else 0.
    edge : (K, E) ascending; bets : (b,).
    sums : (2, K) written: of the block at hand, and its frames.
    weights : (K, E + 1) written; wealth : (K, b) written.
    """

def normal_quantile(p: float) -> float:
    """Return z with P(Z ≤ z) = p of a standard normal Z, 0 < p < 1; good to 1e-12."""

def add_to_history(
    frames: int,
    values: npt.NDArray[np.float64],
    usual: npt.NDArray[np.float64],
    total: npt.NDArray[np.float64],
    fine: npt.NDArray[np.float64],
    coarse: npt.NDArray[np.float64],
) -> None:
    """Note the totals (V,) before this frame, and add its values, ``usual`` for those not finite.

    fine, coarse : (64, V) written, at frames mod 64 and, each 64th frame, frames / 64 mod 64.
    """

def settle(
    x: npt.NDArray[np.float64],
    mean: npt.NDArray[np.float64],
    sd: npt.NDArray[np.float64],
    before: npt.NDArray[np.float64],
    sums: npt.NDArray[np.float64],
) -> None:
    """Add d = (x − mean)/sd, d², the squared step from ``before`` and 1 a step to sums (4, K).

    A value that is not finite counts as d = 0; before (K,) becomes d, NaN: no neighbour.
    """
