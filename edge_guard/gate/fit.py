"""The whole input gate from what was measured on the references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from edge_guard.gate.alignment import fit_alignment
from edge_guard.gate.causes import fit_causes
from edge_guard.gate.cells import CellModel, fit_cells
from edge_guard.gate.description import Looks, describe, fit_rarity
from edge_guard.gate.frozen import fit_repeats
from edge_guard.gate.gate import STATISTICS
from edge_guard.gate.limits import fit_limits
from edge_guard.gate.spec import CauseSpec, GateSpec, Way
from edge_guard.types import Array


@dataclass(frozen=True, slots=True)
class Seen:
    """The references as the gate sees them, N rows in the order of capture.

    Attributes
    ----------
    looks : Looks
    shapes : list of tuple
        (H, W) or (H, W, 3).
    hashes : list of int
        Pixel hashes.
    """

    looks: Looks
    shapes: list[tuple[int, ...]]
    hashes: list[int]


def fit_gate(
    seen: Seen,
    changed: Looks,
    ways: tuple[Way, ...],
    folds: Sequence[tuple[Array, Array]],
) -> tuple[GateSpec, dict[str, Array]]:
    """Return the gate and its arrays for the bundle.

    Parameters
    ----------
    seen : Seen
    changed : Looks
        References that something has happened to, M rows.
    ways : tuple of Way
        (M,), what has happened to each.
    folds : sequence of (fit, score) index arrays
        Parts of the references that do not depend on each other.
    """
    looks, shapes = seen.looks, seen.shapes
    sizes = {(s[0], s[1], 1 if len(s) == 2 else s[2]) for s in shapes}
    arrays: dict[str, Array] = {}
    fixed = fit_cells(looks.cells, folds) if len(sizes) == 1 else None
    cells = fixed[0] if fixed else None
    if cells:
        arrays |= {"gate.cells.center": cells.center, "gate.cells.spread": cells.spread}
    registered = fit_alignment(looks.reduced, shapes) if fixed else None
    if registered:
        arrays["gate.mean_picture"] = registered[0]
    causes, cause_arrays = _fit_causes(looks, changed, ways, cells)
    spec = GateSpec(
        size=sizes.pop() if len(sizes) == 1 else None,
        limits=fit_limits(looks.statistics, STATISTICS, folds, fixed=cells is not None),
        repeats=fit_repeats(
            seen.hashes,
            looks.cells,
            looks.statistics[:, STATISTICS.index("noise")],
            min(s[0] * s[1] for s in shapes),
            cells.shift(looks.cells) if cells else None,
        ),
        cells=fixed[1] if fixed else None,
        alignment=registered[1] if registered else None,
        causes=causes,
    )
    return spec, arrays | cause_arrays


def _fit_causes(
    looks: Looks, changed: Looks, ways: tuple[Way, ...], cells: CellModel | None
) -> tuple[CauseSpec | None, dict[str, Array]]:
    """Return the cause model's specification and arrays; None and nothing without causes."""
    if not ways:
        return None, {}
    rarity = fit_rarity(looks.reduced)
    references = describe(looks, rarity, cells)
    fitted = fit_causes(references, describe(changed, rarity, cells), ways, rarity)
    if fitted is None:
        return None, {}
    model, spec = fitted
    return spec, {
        f"gate.causes.{f.name}": np.asarray(getattr(model, f.name)) for f in fields(model)
    }
