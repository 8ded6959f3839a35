"""From what the monitors saw to what people are told: cause, size, since when, in one sentence."""

from __future__ import annotations

from math import hypot, sqrt

import numpy as np

from edge_guard.drift.causes import Attribution
from edge_guard.drift.channels import ANSWER, FLAGGED, OTHER_ANSWERS
from edge_guard.drift.looks import CELLS, Change, cell_values, look
from edge_guard.drift.model import DriftModel
from edge_guard.drift.spec import ChannelSpec, SignatureSpec
from edge_guard.publish.messages import DriftEvidence, Moved
from edge_guard.types import Doubles

SIZES = {
    "illumination": ("light",),
    "focus": ("focus",),
    "noise": ("noise",),
    "colour": ("red", "blue"),
    "translation": ("across", "down"),
    "rotation": ("turn",),
    "scale": ("scale",),
}
"""Which channels tell the size of a family."""

_QUIET = 3.0
"""Standard errors that image channels may be off while the cause is sought in the model."""

_LOUD = 5.0
"""Standard errors from which the answers tell more than the guards that alarmed."""

_BAND_OF_ERROR = 0.84
"""A dead band is so many standard errors of the references' mean (its 80 % limit)."""

_MOST_STATISTICS = 6
_MODEL = SignatureSpec("model", "the model is less sure of pictures that look as ever")
_FLAGS = SignatureSpec("other", "more frames are flagged than promised")
_STRANGER = SignatureSpec("other", "the guards find the frames stranger than the references")


class Witness:
    """Makes evidence of mean changes for one bundle.

    Parameters
    ----------
    model : DriftModel
    """

    def __init__(self, model: DriftModel) -> None:
        self._model = model
        self._channels = model.spec.channels
        self._image = len(model.image_channels)
        self._mean = np.array([c.mean for c in self._channels])
        self._sd = np.array([c.sd for c in self._channels])
        self._causes = model.causes()

    def testify(
        self, means: Doubles, frames: int, leading: int, monitor: str, since_frame: int
    ) -> DriftEvidence:
        """Return the evidence of a change.

        Parameters
        ----------
        means : Doubles
            (K + S + 128,) means since the change: channels, image statistics, cells as measured.
        frames : int
            Frames that they are of.
        leading : int
            The channel that alarmed.
        monitor : str
            ``charts`` or ``ranks``.
        since_frame : int
            Sequence of about the first changed frame.
        """
        k, s = len(self._channels), len(self._model.statistics)
        moved = means[:k] - self._mean
        cells = cell_values(means[k + s :]) - self._model.cells
        change = Change(moved[: self._image], means[k : k + s] - self._model.statistics, cells)
        errors = np.array([standard_error(c, frames) for c in self._channels])
        found = self._attribute(change, moved / errors, frames, leading)
        size, error, unit = self._size(found, moved, errors)
        return DriftEvidence(
            family=found.cause.family,
            words=found.cause.words,
            similarity=round(found.similarity, 3),
            monitor="charts" if monitor == "charts" else "ranks",
            since_frame=since_frame,
            frames=frames,
            size=size,
            error=error,
            unit=unit,
            statistics=self._moved(moved),
            cells=tuple(np.round(cells[:CELLS], 1).tolist()),
        )

    def _attribute(self, change: Change, off: Doubles, frames: int, leading: int) -> Attribution:
        quiet = bool((np.abs(off[: self._image]) < _QUIET).all())
        if leading >= self._image and quiet:
            return self._of_answers(off, leading)
        effective = frames / max(correlation_length(c) for c in self._model.image_channels)
        strongest = int(np.abs(off[: self._image]).argmax())
        described = look(change, self._model.spread)
        return self._causes.attribute(described, effective, strongest, float(off[strongest]))

    def _of_answers(self, off: Doubles, leading: int) -> Attribution:
        """Return the cause where pictures look as ever: another mix, model, or guards."""
        words = {i: said for i, c in enumerate(self._channels) if (said := _said(c.name))}
        most = max(words, key=lambda i: abs(off[i]), default=-1)
        if most >= 0 and (leading in words or abs(off[most]) >= _LOUD):
            often = "more" if off[most] > 0 else "less"
            mix = SignatureSpec("product mix", f"{words[most]} {often} often")
            return Attribution(mix, 1.0, most)
        name = self._channels[leading].name
        if name == FLAGGED:
            return Attribution(_FLAGS, 0.0, leading)
        return Attribution(_MODEL, 1.0) if name == "doubt" else Attribution(_STRANGER, 0.0)

    def _size(
        self, found: Attribution, moved: Doubles, errors: Doubles
    ) -> tuple[float | None, float | None, str]:
        """Return size, error and unit; None where the family has none in this scene."""
        family, names = found.cause.family, [c.name for c in self._channels]
        if found.share >= 0:
            size, error = 100.0 * moved[found.share], 200.0 * errors[found.share]
            return float(size), float(error), "% of the frames"
        told = [names.index(name) for name in SIZES.get(family, ()) if name in names]
        if not told:
            return None, None, ""
        if family == "translation":
            size = hypot(*(float(moved[i]) for i in told))
        else:
            told = [max(told, key=lambda i: abs(float(moved[i])))]
            size = float(moved[told[0]])
        return size, 2.0 * float(errors[told].max()), self._channels[told[0]].unit

    def _moved(self, moved: Doubles) -> tuple[Moved, ...]:
        deviations = moved / self._sd
        order = np.argsort(-np.abs(deviations))[:_MOST_STATISTICS]
        return tuple(
            Moved(
                name=c.name,
                unit=c.unit,
                before=c.mean,
                after=c.mean + float(moved[i]),
                deviations=round(float(deviations[i]), 3),
            )
            for i in order.tolist()
            for c in [self._channels[i]]
        )


def _said(channel: str) -> str:
    """Return what a channel of answers speaks of; empty for other channels."""
    if channel == OTHER_ANSWERS:
        return "the model gives answers that the references hardly have,"
    return f"the model answers “{channel.removeprefix(ANSWER)}”" if ANSWER in channel else ""


def correlation_length(channel: ChannelSpec) -> float:
    """Return τ = (1 + ρ) / (1 − ρ): so many neighbouring frames are worth one."""
    return (1 + channel.rho) / (1 - channel.rho)


def standard_error(channel: ChannelSpec, frames: int) -> float:
    """Return the standard error of the difference of ``frames`` frames from the references."""
    of_frames = channel.sd * sqrt(correlation_length(channel) / max(frames, 1))
    return hypot(of_frames, channel.dead_band / _BAND_OF_ERROR)


def sentence(evidence: DriftEvidence, since: str) -> str:
    """Return the evidence in one sentence for people.

    Parameters
    ----------
    evidence : DriftEvidence
    since : str
        The time, in words.
    """
    what = f"{evidence.family}: {evidence.words}"
    if evidence.family in ("other", "model"):
        what = evidence.words
    leading = evidence.statistics[0]
    size = f" ({leading.name} by {leading.deviations:+.1f} σ)"
    if evidence.size is not None and evidence.error is not None:
        sign = "" if evidence.family == "translation" else "+"
        size = f", {evidence.size:{sign}.1f} ± {evidence.error:.1f} {evidence.unit}"
    return f"{what}{size}, since about {since}"
