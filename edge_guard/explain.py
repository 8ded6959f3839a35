"""Why a flagged frame is unlike the references: statistics that stand out, references like it.

The parts of a score sum to the score (x is what the guard sees of the frame, μ and r the mean and
the reference that are nearest to it):

    mahalanobis    c_j = (x − μ)_j [Σ⁻¹ (x − μ)]_j
    nearest        c_j = (x − r)_j²
    contrast       c_j = w_j x_j + v_j |x_j|

A part may be negative: with correlated statistics one can take back what another adds. Only parts
of image statistics are named; channels of a network have no names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from edge_guard.gate.gate import STATISTICS
from edge_guard.manifest import Manifest, ViewSpec
from edge_guard.types import Array, Doubles, Floats, Nearest, Reason

_NAMED = 3
"""How many statistics a reason names at most."""
_OF_LOGITS = 3
"""Scores of the logits come first and have no row."""
_SHOWN = 3
"""How many references a flagged frame is shown beside at most."""

_WORDS = (
    ("mean", "brightness"),
    ("sd", "contrast"),
    ("skewness|kurtosis", "shape of the grey-level distribution"),
    (r"p(\d+)", r"\1 % grey level"),
    ("clipped_low", "share of black"),
    ("clipped_high", "share of burnt-out pixels"),
    ("entropy", "variety of grey levels"),
    ("gradient_x", "edges across"),
    ("gradient_y", "edges down"),
    ("tenengrad", "strength of the edges"),
    ("gradient_sparsity", "rarity of strong edges"),
    ("edge_share", "share of edges"),
    ("coherence", "common direction of the edges"),
    ("orientation_cos", "balance of upright and level edges"),
    ("orientation_sin", "balance of rising and falling edges"),
    ("laplacian_sd", "fine detail"),
    ("focus", "sharpness"),
    ("noise|noise_mean", "noise"),
    ("local_sd_mean", "local contrast"),
    ("local_sd_sd", "unevenness of the local contrast"),
    ("local_mean_sd", "unevenness of the brightness"),
    ("lbp_other", "irregular texture"),
    (r"lbp_(\d)", r"texture pattern \1"),
    (r"gradient_(\d)x", r"edges at scale \1"),
    (r"laplacian_(\d)x", r"detail at scale \1"),
    ("log_rg", "red against green"),
    ("log_bg", "blue against green"),
    ("saturation_mean", "colour saturation"),
    ("rg_sd", "variety of red against green"),
    ("bg_sd", "variety of blue against green"),
    ("row_mean_sd", "differences between rows"),
    ("column_mean_sd", "differences between columns"),
    ("row_banding", "stripes across"),
    ("column_banding", "stripes down"),
    ("stuck_rows", "equal neighbouring rows"),
    ("stuck_columns", "equal neighbouring columns"),
    ("flat_cells", "flat areas"),
    ("trend_x", "brightness from left to right"),
    ("trend_y", "brightness from top to bottom"),
    ("center_surround", "middle against border"),
    ("asymmetry_x", "difference of left and right"),
    ("asymmetry_y", "difference of top and bottom"),
    (r"correlation_(\d)x", r"likeness of neighbours across at scale \1"),
    (r"correlation_(\d)y", r"likeness of neighbours down at scale \1"),
    ("spectrum_0", "coarsest structures"),
    ("spectrum_7", "finest structures"),
    (r"spectrum_(\d)", r"structures of fineness \1 of 7"),
    ("darkest", "darkest place"),
    ("brightest", "brightest place"),
)

_VIEWS = {
    "features": "the model's features",
    "tone": "brightness, contrast and colour",
    "levels": "grey levels",
    "texture": "edges and texture",
    "correlation": "size and direction of structures",
    "spectrum": "fineness of structures",
}


class Explainer:
    """Explains frames that one bundle's guards have scored. For flagged frames only: not fast.

    Parameters
    ----------
    manifest : Manifest
    arrays : dict of str to Array
        The bundle's arrays.
    pictures : dict of str to bytes
        The bundle's pictures.
    """

    def __init__(
        self, manifest: Manifest, arrays: dict[str, Array], pictures: dict[str, bytes]
    ) -> None:
        self._names = manifest.references.names
        self._arrays, self._pictures = arrays, pictures
        self._views = {view.name: view for view in manifest.guards.views}
        self._guards = manifest.guards.scores[_OF_LOGITS if manifest.plan.logits else 0 :]
        self._compared = _in_order(manifest.guards.views)

    def attributed(
        self, reasons: Sequence[Reason], statistics: Floats, indices: npt.NDArray[np.int32]
    ) -> tuple[Reason, ...]:
        """Return the reasons; those about image statistics name the ones that matter most.

        Parameters
        ----------
        reasons : sequence of Reason
        statistics : Floats
            (S,), in the order of `STATISTICS`.
        indices : array of int32
            The kernel's: the class, then each guard's row.
        """
        rows = self._rows(indices)
        return tuple(self._attributed(reason, statistics, rows) for reason in reasons)

    def nearest(self, indices: npt.NDArray[np.int32]) -> tuple[Nearest, ...]:
        """Return up to three different references that the frame resembles.

        The first by the model's features, then by its deepest layer with a map, then by statistics
        of the picture; where these name one twice, further views are asked. Empty for bundles of
        earlier versions.
        """
        rows = self._rows(indices)
        found: dict[int, Nearest] = {}
        for view in self._compared:
            row = rows.get(f"{view}.nearest", -1)
            if 0 <= row < len(self._names) and row not in found and len(found) < _SHOWN:
                found[row] = self._reference(row, view)
        return tuple(found.values())

    def _rows(self, indices: npt.NDArray[np.int32]) -> dict[str, int]:
        return dict(zip(self._guards, indices[1:].tolist(), strict=True))

    def _reference(self, row: int, view: str) -> Nearest:
        entry = f"references/{row:05d}.jpg"
        picture = self._pictures.get(entry, b"")
        words = _VIEWS.get(view, f"the model's inner layer {view}")
        return Nearest(self._names[row], view, words, entry if picture else "", picture)

    def _attributed(self, reason: Reason, statistics: Floats, rows: dict[str, int]) -> Reason:
        view = self._views.get(reason.guard.partition(".")[0])
        row = rows.get(reason.guard)
        if view is None or view.source >= 0 or row is None:
            return reason
        parts, signs = contributions(view, reason.guard, self._arrays, statistics, row)
        named = most(parts, signs)
        if not named:
            return reason
        return msgspec.structs.replace(reason, message=f"{reason.message}; most of all {named}")


def _in_order(views: Sequence[ViewSpec]) -> tuple[str, ...]:
    """Return the views with banks in the order in which their nearest references are shown."""
    banks = [view for view in views if view.nearest]
    features = [v.name for v in banks if v.name == "features"]
    layers = [v.name for v in sorted(banks, key=lambda v: -v.source) if v.source >= 0]
    layers = [name for name in layers if name not in features]
    pictures = [v.name for v in banks if v.source < 0]
    return (*features, *layers[:1], *pictures, *layers[1:])


def contributions(
    view: ViewSpec, guard: str, arrays: dict[str, Array], statistics: Floats, row: int
) -> tuple[Doubles, Doubles]:
    """Return each statistic's part of a guard's score, and where it lies.

    Parameters
    ----------
    view : ViewSpec
        A view of image statistics.
    guard : str
        The name of its guard, for example ``tone.mahalanobis``.
    arrays : dict of str to Array
        The bundle's arrays.
    statistics : Floats
        (S,), in the order of `STATISTICS`.
    row : int
        The mean or reference that the kernel found nearest.

    Returns
    -------
    parts : Doubles
        (S,), summing to the score; 0 for statistics that the view does not read.
    offsets : Doubles
        (S,), positive where the frame has more of the statistic than what it is compared with.
    """

    def part(name: str, index: int | None = None) -> Doubles:
        whole = arrays[f"{view.name}.{name}"]
        return np.asarray(whole if index is None else whole[index], np.float64)

    x = np.arcsinh((np.asarray(statistics, np.float64) - part("center")) * part("scale"))
    method = guard.partition(".")[2]
    if method == "contrast":
        weight, magnitude = np.split(part("contrast"), 2)
        return weight * x + magnitude * np.abs(x), x
    if method == "nearest":
        offsets = x - part("bank", row)
        return offsets**2, offsets
    offsets = x - part("means", row)
    basis = part("basis")
    along = basis @ offsets
    solved = basis.T @ (part("gain") * along) + view.perp * (offsets - basis.T @ along)
    return offsets * solved, offsets


def most(parts: Doubles, offsets: Doubles) -> str:
    """Return in words the up to three statistics with the largest positive parts; may be empty."""
    named: dict[str, str] = {}
    for j in np.argsort(-parts, kind="stable"):
        if len(named) == _NAMED or not parts[j] > 0.0:
            break
        named.setdefault(statistic_in_words(STATISTICS[j]), "high" if offsets[j] > 0 else "low")
    words = [f"{name} ({side})" for name, side in named.items()]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def statistic_in_words(name: str) -> str:
    """Return what an image statistic measures, for people."""
    if level := re.fullmatch(r"level_(\d+)", name):
        first = 16 * int(level[1])
        return f"grey levels {first} to {first + 15}"
    for pattern, words in _WORDS:
        if found := re.fullmatch(pattern, name):
            return found.expand(words)
    return name
