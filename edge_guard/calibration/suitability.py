"""Whether references are fit to calibrate on, and what a bundle says about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_guard.calibration.references import Observations, Reference, relative_name
from edge_guard.errors import ReferencesError
from edge_guard.manifest import Promise, References
from edge_guard.types import Doubles

_SUSPICIOUS = 5


def refuse_unsuitable(seen: Observations) -> None:
    """Raise where references cannot calibrate anything.

    Raises
    ------
    ReferencesError
        Nearly all are the same, a value is not finite, or the model always answers the same.
    """
    if len(set(seen.hashes)) < max(2, len(seen) // 20):
        raise ReferencesError(
            f"of {len(seen)} references only {len(set(seen.hashes))} differ",
            "take pictures of different parts",
        )
    for name, values in [("the image statistics", seen.statistics), ("the logits", seen.logits)] + [
        ("a tapped layer", e) for e in seen.embeddings
    ]:
        if not np.isfinite(values).all():
            bad = seen.names[int(np.flatnonzero(~np.isfinite(values).all(1))[0])]
            raise ReferencesError(
                f"{name} are not finite for {bad}", "check the model for NaN weights"
            )
    if seen.logits.shape[1] and np.ptp(seen.logits, axis=0).max() == 0.0:
        raise ReferencesError(
            "the model gives the same output for every reference",
            "check the model, and the card's mean, std and color",
        )


def summary(
    seen: Observations,
    truth: npt.NDArray[np.intp],
    labels: Sequence[str],
    fused: Doubles,
    length: float,
    held: Promise,
    said: tuple[str, ...],
) -> References:
    """Return what the bundle says about its references.

    Parameters
    ----------
    seen : Observations
    truth : array of int
        (N,) class indices, −1 without a label.
    labels : sequence of str
        The model's.
    fused : Doubles
        (N,) fused scores, out of fold.
    length : float
        Correlation length.
    held : Promise
    said : tuple of str
        Warnings from elsewhere.
    """
    labelled = truth >= 0
    names = [labels[t] if t < len(labels) else str(t) for t in truth[labelled]]
    right = seen.logits[labelled].argmax(1) == truth[labelled] if labelled.any() else None
    return References(
        n=len(seen),
        n_effective=len(seen) / length,
        correlation_length=length,
        labelled=int(labelled.sum()),
        labels={name: names.count(name) for name in sorted(set(names))},
        accuracy=None if right is None else float(right.mean()),
        suspicious=_suspicious(seen, fused),
        warnings=_warnings(seen, length, held) + said,
    )


def modes_said(references: Sequence[Reference]) -> tuple[str, ...]:
    """Return what is left of files that hold more than 8-bit pixels, in words."""
    modes = Counter(reference.mode for reference in references if reference.mode)
    kept = {"16 bits": "the upper 8 are used", "an alpha channel": "it is left out"}
    return tuple(f"{n} references have {mode}: {kept[mode]}" for mode, n in modes.items())


def _suspicious(seen: Observations, fused: Doubles) -> tuple[str, ...]:
    """Return the references least like the others."""
    center = np.median(fused)
    spread = max(float(np.quantile(fused, 0.84) - center), 1e-9)
    worst = np.argsort(-fused)[:_SUSPICIOUS]
    odd = [i for i in worst if (fused[i] - center) / spread > 4.0]
    return tuple(relative_name(seen.names[i], seen.labels[i]) for i in odd)


def _warnings(seen: Observations, length: float, held: Promise) -> tuple[str, ...]:
    """Return what the technician should know, in plain words."""
    said = []
    if seen.unreadable:
        said.append(
            f"{len(seen.unreadable)} files could not be read, the first is {seen.unreadable[0]}"
        )
    sizes = Counter(f"{shape[1]}×{shape[0]}" for shape in seen.shapes)
    if len(sizes) > 1:
        listed = ", ".join(f"{count} of {size}" for size, count in sizes.most_common(3))
        said.append(f"the references have {len(sizes)} sizes ({listed} px): frames should have one")
    gray = sum(len(shape) == 2 for shape in seen.shapes)
    if 0 < gray < len(seen):
        said.append(f"{gray} of {len(seen)} references are gray, the others are in colour")
    if length > 1.0:
        said.append(
            f"neighbouring images are alike: {len(seen)} references are worth "
            f"{len(seen) / length:.0f} independent ones"
        )
    if held.false_flag_rate > held.requested:
        said.append(
            f"a false-flag rate of {held.requested:.2%} needs more references; "
            f"these support {held.false_flag_rate:.2%}"
        )
    repeated = len(seen) - len(set(seen.hashes))
    if repeated:
        said.append(f"{repeated} references are exact copies of others and add nothing")
    return tuple(said)
