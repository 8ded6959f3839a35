"""The feature-map guard from observations: its map, its space, its banks, its limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from edge_guard.backends.preprocess import Preprocess
from edge_guard.backends.spec import Backend, TapPlan, TensorSpec
from edge_guard.calibration.folds import Fold
from edge_guard.calibration.references import Observations, Reference, usable
from edge_guard.errors import EdgeGuardError
from edge_guard.guards.patch import (
    Space,
    bank_rows,
    distances,
    fit_bank,
    fit_space,
    frame_scores,
    place_gains,
    top_places,
)
from edge_guard.manifest import PatchSpec, Promise
from edge_guard.types import Array, Doubles

_MIN_SIDE = 8
"""A coarser map says little about the place."""
_MULTIPLICATIONS, _FEW_MULTIPLICATIONS = 4_000_000, 1_000_000
_SLOW_MODEL_US = 2000.0
_SPACE_FRAMES = 64
_LEAST_LIMIT = 1e-9


def choose_map(plan: TapPlan) -> PatchSpec | None:
    """Return the deepest map of at least 8 × 8, or the finest there is; None without maps."""
    maps = [(i, tap) for i, tap in enumerate(plan.taps) if tap.height * tap.width > 1]
    if not maps:
        return None
    fine = [(i, tap) for i, tap in maps if min(tap.height, tap.width) >= _MIN_SIDE]
    index, tap = fine[-1] if fine else maps[0]
    return PatchSpec(index, tap.height, tap.width, top_places(tap.height * tap.width))


def search_rows(spec: PatchSpec, model_us: float) -> int:
    """Return how many bank rows cost about 2 % of the model's time, in two coarse steps.

    Coarse, so that a busy machine calibrates the same bundle as an idle one.
    """
    budget = _MULTIPLICATIONS if model_us >= _SLOW_MODEL_US else _FEW_MULTIPLICATIONS
    return bank_rows(spec.height * spec.width, budget)


def observe_space(
    spec: PatchSpec, backend: Backend, preprocess: Preprocess, references: Sequence[Reference]
) -> Space | None:
    """Return the principal axes of a few references' places; None when none can be read.

    The axes are the only part of this guard that is not fitted out of fold. They can only show
    more of a reference than of a new frame, so its distances, and with them the limits, can only
    be larger.
    """
    rows = np.unique(np.linspace(0, len(references) - 1, _SPACE_FRAMES).astype(int))
    maps = []
    for reference in (references[row] for row in rows):
        try:
            image = usable(reference.load(), reference.name)
        except EdgeGuardError:
            continue  # observe() lists it
        preprocess(image, backend.tensor)
        maps.append(real_map(backend.run().taps[spec.tap], backend.plan.taps[spec.tap]))
    if not maps or not np.isfinite(maps).all():
        return None
    return fit_space(np.stack(maps))


def real_map(stored: Array, tap: TensorSpec) -> Doubles:
    """Return a tap's real values (H, W, C)."""
    shape = (tap.height, tap.width, tap.channels)
    real = (stored.astype(np.float64) - tap.zero_point) * tap.scale
    if tap.channels_last:
        return real.reshape(shape)
    return real.reshape(tap.channels, tap.height, tap.width).transpose(1, 2, 0)


@dataclass(frozen=True, slots=True)
class FittedPlaces:
    """The fitted guard and its out-of-fold scores.

    Attributes
    ----------
    spec : PatchSpec
    space : Space
    bank : Doubles
        (B, D), from all references.
    gain : Doubles
        (P,), 1 / usual distance at each place.
    inside, outside : Doubles
        (N,) and (M,), scores of references and pseudo-outliers by banks that never saw them.
    farthest : Doubles
        (N,), largest distance of each reference, out of fold.
    """

    spec: PatchSpec
    space: Space
    bank: Doubles
    gain: Doubles
    inside: Doubles
    outside: Doubles
    farthest: Doubles

    def limited(self, held: Promise) -> PatchSpec:
        """Return the specification with the distance that good frames keep to, as promised."""
        n = len(self.farthest)
        rank = max(1, int(held.p_limit * (n + 1)))
        limit = float(np.sort(self.farthest)[max(0, n - rank)])
        return msgspec.structs.replace(self.spec, limit=max(limit, _LEAST_LIMIT))

    def arrays(self) -> dict[str, Array]:
        """Return the arrays by their bundle names."""
        parts = {"patches.bank": self.bank, "patches.gain": self.gain}
        return self.space.arrays() | {name: part.astype(np.float32) for name, part in parts.items()}


def fit_places(
    spec: PatchSpec,
    rows: int,
    space: Space,
    seen: Observations,
    outliers: Observations,
    origins: Array,
    folds: Sequence[Fold],
    rng: np.random.Generator,
) -> FittedPlaces:
    """Return the guard whose reference scores come from banks that never saw them.

    Parameters
    ----------
    spec : PatchSpec
    rows : int
        Of the bank.
    space : Space
    seen, outliers : Observations
    origins : array of int
        (M,), the reference that each pseudo-outlier was made from; −1 to leave it out.
    folds : sequence of Fold
    """
    far_inside = np.zeros((len(seen), spec.height * spec.width))
    far_outside = np.zeros((len(outliers), far_inside.shape[1]))
    for fold in folds:
        bank = fit_bank(seen.places[fold.fit], rows, rng)
        far_inside[fold.score] = distances(seen.places[fold.score], bank)
        held = np.isin(origins, fold.score)
        far_outside[held] = distances(outliers.places[held], bank)
    scaled = np.zeros_like(far_inside)
    for fold in folds:  # only now: the gains of a fold come from the frames that it was fitted on
        gain = place_gains(far_inside[fold.fit])
        far_outside[np.isin(origins, fold.score)] *= gain
        scaled[fold.score] = far_inside[fold.score] * gain
    return FittedPlaces(
        spec=spec,
        space=space,
        bank=fit_bank(seen.places, rows, rng),
        gain=place_gains(far_inside),
        inside=frame_scores(scaled, spec.top),
        outside=frame_scores(far_outside, spec.top),
        farthest=scaled.max(1),
    )
