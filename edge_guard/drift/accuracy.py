"""Accuracy of accepted answers without labels: counts of confidences, and what they tell.

Accepted frames are counted by the bin of their confidence; with counts c_b, N = Σ c_b and the
bundle's values v_b (`edge_guard.calibration.accuracy`),

    estimate = Σ c_b v_b / N
    reach    = √(spread² + 1.96² · estimate (1 − estimate) / N)
    interval = estimate − max(bias, 0) − reach  to  estimate − min(bias, 0) + reach

``bias`` and ``spread`` are what the estimate got wrong on changed references that were held out;
the last term is chance among N answers that are right with these probabilities. A bias widens the
interval on its side and never narrows the other. Integer counts add up to the same in any order.

No such estimate can see a model that is confidently wrong in a new way (concept shift), so it is
hidden wherever something speaks against it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_guard.manifest import AccuracySpec
from edge_guard.publish.messages import AccuracyBasis, AccuracyCounts
from edge_guard.types import Result, Verdict

FEWEST_FRAMES = 300
"""Accepted frames from which an estimate is shown."""
MOST_SPREAD = 0.05
"""An estimate whose measured error reaches further is not shown."""
MOST_FLAGS = 3.0
"""Nor one while flags exceed so many times the promised rate."""
UNSURE = ("confidence", "budget")
"""Leading reasons of frames that the guards find usual: no flags in the sense of the promise."""

_Z95 = 1.96


class AcceptedBins:
    """Accepted frames of one window by confidence.

    Parameters
    ----------
    spec : AccuracySpec
    """

    def __init__(self, spec: AccuracySpec) -> None:
        self._spec = spec
        self._counts = [0] * len(spec.basis.values)

    def add(self, result: Result) -> None:
        """Count a frame that was accepted with a known confidence."""
        if result.verdict == Verdict.ACCEPT and result.confidence is not None:
            self._counts[bisect_right(self._spec.edges, result.confidence)] += 1

    def counts(self) -> AccuracyCounts:
        """Return what was counted."""
        return AccuracyCounts(tuple(self._counts), self._spec.basis)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Accuracy of accepted answers as far as confidences tell.

    Attributes
    ----------
    accuracy, low, high : float
        With a 95 % interval.
    frames : int
        Accepted frames that it comes from.
    """

    accuracy: float
    low: float
    high: float
    frames: int


def estimate(basis: AccuracyBasis, counts: Sequence[int]) -> Estimate | None:
    """Return the estimate from counts of accepted frames; None of no frames.

    Raises
    ------
    ValueError
        There is not one count, of at least 0, for each bin.
    """
    if len(counts) != len(basis.values) or min(counts, default=0) < 0:
        raise ValueError(f"counts of {len(counts)} bins for {len(basis.values)}")
    frames = sum(counts)
    if not frames:
        return None
    right = sum(n * value for n, value in zip(counts, basis.values, strict=True))
    accuracy = min(max(right / frames, 0.0), 1.0)
    chance = _Z95**2 * accuracy * (1 - accuracy) / frames
    reach = (basis.spread**2 + chance) ** 0.5
    low = max(0.0, accuracy - max(basis.bias, 0.0) - reach)
    high = min(1.0, accuracy - min(basis.bias, 0.0) + reach)
    return Estimate(accuracy, low, high, frames)


def is_flagged(result: Result) -> bool:
    """Return whether the guards flag a frame, whatever the model's confidence."""
    return bool(result.reasons) and result.reasons[0].guard not in UNSURE


def flags(verdicts: Mapping[str, int], reasons: Mapping[str, int]) -> tuple[int, int]:
    """Return frames that the guards flagged, and all frames.

    Parameters
    ----------
    verdicts : mapping of str to int
        Frames by verdict.
    reasons : mapping of str to int
        Flagged frames by leading reason.
    """
    unsure = sum(reasons.get(reason, 0) for reason in UNSURE)
    frames = sum(verdicts.values())
    return frames - verdicts.get(Verdict.ACCEPT.value, 0) - unsure, frames


def distrust(basis: AccuracyBasis, accepted: int, flagged: int, frames: int, alarm: str) -> str:
    """Return why an estimate is not to be shown; empty where nothing speaks against it.

    Parameters
    ----------
    basis : AccuracyBasis
    accepted : int
        Frames that were counted.
    flagged, frames : int
        As `flags` gives them.
    alarm : str
        An alarm that stands, in words; empty where there is none.
    """
    error = abs(basis.bias) + basis.spread
    if error > MOST_SPREAD:
        return (
            f"on changed references it was off by up to {error:.3f}, more than {MOST_SPREAD:.2f}: "
            "more labelled references would help"
        )
    if alarm:
        return f"an alarm stands: {alarm}"
    if flagged > MOST_FLAGS * basis.promised * frames:
        return (
            f"{flagged / frames:.1%} of the frames are flagged, more than {MOST_FLAGS:.0f} times "
            f"the promised {basis.promised:.2g}: what comes is unlike the references"
        )
    if accepted < FEWEST_FRAMES:
        return f"{accepted} accepted frames are too few, {FEWEST_FRAMES} are needed"
    return ""
