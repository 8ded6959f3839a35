"""The whole input gate from what was measured on the references."""

from __future__ import annotations

from collections.abc import Sequence

from edge_guard.gate.alignment import fit_alignment
from edge_guard.gate.cells import fit_cells
from edge_guard.gate.frozen import MIN_REPEATS, longest_run
from edge_guard.gate.gate import STATISTICS
from edge_guard.gate.limits import fit_limits
from edge_guard.gate.spec import GateSpec
from edge_guard.types import Array


def fit_gate(
    statistics: Array,
    cells: Array,
    reduced: Array,
    shapes: list[tuple[int, ...]],
    hashes: list[int],
    folds: Sequence[tuple[Array, Array]],
) -> tuple[GateSpec, dict[str, Array]]:
    """Return the gate and its arrays for the bundle.

    Parameters
    ----------
    statistics : Array
        (N, S) image statistics of the references.
    cells : Array
        (N, G, G) cell means, grey levels.
    reduced : Array
        (N, SIDE, SIDE) reduced pictures (`edge_guard.gate.alignment.reduce`).
    shapes : list of tuple
        Each reference's (H, W) or (H, W, 3).
    hashes : list of int
        Pixel hashes in the order of capture.
    folds : sequence of (fit, score) index arrays
        Parts of the references that do not depend on each other.
    """
    sizes = {(s[0], s[1], 1 if len(s) == 2 else s[2]) for s in shapes}
    arrays: dict[str, Array] = {}
    fixed = fit_cells(cells, folds) if len(sizes) == 1 else None
    if fixed:
        arrays |= {"gate.cells.center": fixed[0].center, "gate.cells.spread": fixed[0].spread}
    registered = fit_alignment(reduced, shapes) if fixed else None
    if registered:
        arrays["gate.mean_picture"] = registered[0]
    spec = GateSpec(
        size=sizes.pop() if len(sizes) == 1 else None,
        limits=fit_limits(statistics, STATISTICS, folds),
        frozen_after=max(MIN_REPEATS, 2 * longest_run(hashes)),
        cells=fixed[1] if fixed else None,
        alignment=registered[1] if registered else None,
    )
    return spec, arrays
