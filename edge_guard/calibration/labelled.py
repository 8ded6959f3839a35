"""What labelled references give: calibrated confidence, a certificate, and dials that respect it.

The largest softmax needs no labels to order frames, so all of them certify it, with 60 % of δ. A
ranking that labels chose, on a quarter of them, is certified on the others with the rest of δ. The
one that accepts more is deployed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
import numpy.typing as npt

from edge_guard.calibration.confidence import MIN_ERRORS, RICH, fit_map, fit_temperature
from edge_guard.calibration.dials import Wishes, set_dials
from edge_guard.calibration.escapes import find_escapes, good_index
from edge_guard.calibration.ranking import Ranking, choose_ranking
from edge_guard.calibration.selective import Escapes, certify
from edge_guard.confidence import IDENTITY, probe_scores, ranking_scores, to_confidence
from edge_guard.errors import ConfigError, GuaranteeError, ReferencesError
from edge_guard.manifest import Certificate, ConfidenceSpec, Dials
from edge_guard.types import Array, Doubles

CHOOSING_SHARE = 0.25
"""Share of the labelled references that choose a ranking, where there are 300."""
PLAIN_SHARE = 0.6
"""Share of δ that the largest softmax gets when another ranking is tried beside it."""

_MARGIN = 1e-6
"""A frame on the threshold is accepted, however a device rounds."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of N references.

    Attributes
    ----------
    logits : Array
        (N, C).
    taps : sequence of Array
        (N, D_v) pooled taps.
    truth : array of int
        (N,), −1 without a label.
    flagged : array of bool
        (N,), true where the guards flag.
    labels : tuple of str
        The model's.
    """

    logits: Array
    taps: Sequence[Array]
    truth: npt.NDArray[np.intp]
    flagged: npt.NDArray[np.bool_]
    labels: tuple[str, ...]

    def rows(self, rows: npt.NDArray[np.intp]) -> Evidence:
        """Return the same of some rows."""
        return replace(
            self,
            logits=self.logits[rows],
            taps=[tap[rows] for tap in self.taps],
            truth=self.truth[rows],
            flagged=self.flagged[rows],
        )

    def joined(self, other: Evidence) -> Evidence:
        """Return these references and others."""
        return replace(
            self,
            logits=np.concatenate([self.logits, other.logits]),
            taps=[np.concatenate(both) for both in zip(self.taps, other.taps, strict=True)],
            truth=np.concatenate([self.truth, other.truth]),
            flagged=np.concatenate([self.flagged, other.flagged]),
        )

    def digest(self, *asked: object) -> str:
        """Return the digest of a question about this evidence."""
        parts = [self.logits, *self.taps, self.truth, self.flagged]
        text = repr((asked, self.labels)).encode()
        return hashlib.sha256(text + b"".join(part.tobytes() for part in parts)).hexdigest()[:16]

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Where the model is right, (N,)."""
        return np.asarray(self.logits.argmax(1) == self.truth)

    @property
    def features(self) -> Array:
        """Pooled taps side by side, (N, ΣD_v)."""
        n = len(self.truth)
        return np.concatenate(self.taps, axis=1) if self.taps else np.zeros((n, 0))


@dataclass(frozen=True, slots=True)
class Settled:
    """What the labels support.

    Attributes
    ----------
    confidence : ConfidenceSpec or None
    certificate : Certificate or None
    dials : Dials
    arrays : dict of str to Array
        For the bundle.
    said : tuple of str
        What people should know.
    chose : array of int
        References whose labels chose the ranking: they say nothing about it any more. None for
        the largest softmax, which no label chooses.
    """

    confidence: ConfidenceSpec | None
    certificate: Certificate | None
    dials: Dials = field(default_factory=Dials)
    arrays: dict[str, Array] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    chose: npt.NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))


def settle(all_seen: Evidence, wishes: Wishes, rng: np.random.Generator) -> Settled:
    """Return confidence and certificate; dials follow.

    Raises
    ------
    ConfigError
        Something asked for makes no sense for this model.
    ReferencesError
        Something asked for needs labels that are missing.
    GuaranteeError
        The certificate is not attainable.
    """
    if not all_seen.logits.shape[1]:
        if wishes.asked:
            raise ConfigError(
                f"{wishes.asked} is about a classifier, and this model has no classes",
                "leave it out",
            )
        return Settled(None, None)
    known = np.flatnonzero(all_seen.truth >= 0)
    seen = all_seen.rows(known)
    _refuse_unlabelled(seen, wishes)
    if wishes.max_error is not None:
        order = rng.permutation(len(seen.truth))
        first = int(CHOOSING_SHARE * len(order)) if len(order) >= RICH else 0
        settled = certified(seen.rows(order[:first]), seen.rows(order[first:]), wishes, rng)
        plain = settled.confidence is not None and settled.confidence.ranking == "msp"
        return settled if plain else replace(settled, chose=known[order[:first]])
    return _calibrated(seen) if len(seen.truth) else Settled(None, None)


def with_dials(settled: Settled, all_seen: Evidence, wishes: Wishes) -> Settled:
    """Return the same with cost and review budget.

    Raises
    ------
    ReferencesError, GuaranteeError
        As `set_dials`.
    """
    if wishes.review_budget is None and wishes.cost_error is None:
        return settled
    spec = settled.confidence or ConfidenceSpec("msp", "none", IDENTITY)
    if spec.ranking == "probe":
        parts = settled.arrays["probe.weight"], settled.arrays["probe.bias"]
        x = probe_scores(all_seen.logits, all_seen.features, spec.gain, *parts)
    else:
        x = ranking_scores(spec.ranking, all_seen.logits, spec.temperature)
    confidence = to_confidence(x, spec.knots)
    dials = set_dials(confidence, all_seen.flagged, wishes, settled.certificate, spec.method)
    return replace(settled, confidence=spec, dials=dials)


def _refuse_unlabelled(seen: Evidence, wishes: Wishes) -> None:
    if wishes.max_error is None:
        if wishes.max_escapes is not None:
            raise ReferencesError(
                "--max-escapes is certified together with --max-error", "pass --max-error as well"
            )
        return
    if not len(seen.truth):
        raise ReferencesError(
            "--max-error needs labelled references",
            "sort the reference images into one folder a label",
        )
    if len(np.unique(seen.truth)) < 2:
        raise ReferencesError(
            f"all {len(seen.truth)} labelled references are of one class",
            "--max-error is about all that the line makes: add labelled images of the others",
        )


def _calibrated(seen: Evidence) -> Settled:
    """Return confidence by a temperature, and a richer map where labels allow."""
    temperature = fit_temperature(seen.logits, seen.truth)
    if temperature is None:
        return Settled(None, None, said=(_why_uncalibrated(seen),))
    x = ranking_scores("msp", seen.logits, temperature)
    return Settled(_mapped("msp", x, seen.correct, temperature), None)


def _why_uncalibrated(seen: Evidence) -> str:
    errors = int((~seen.correct).sum())
    if len(np.unique(seen.truth)) < 2:
        return "labels of one class cannot calibrate the confidence: it is the model's own"
    if errors:
        return "too few labelled errors to calibrate the confidence: it is the model's own"
    return (
        f"the model is right on all {len(seen.truth)} labelled references, so nothing can "
        "calibrate its confidence; if it was trained on them, take other images"
    )


def _mapped(
    name: str,
    x: Doubles,
    correct: npt.NDArray[np.bool_],
    temperature: float | None = None,
    augrc: dict[str, float] | None = None,
) -> ConfidenceSpec:
    odds = name in ("msp", "probe")
    if (~correct).sum() < MIN_ERRORS:
        return ConfidenceSpec("msp", "none", IDENTITY, labelled=len(x), augrc=augrc or {})
    fitted = fit_map(x, correct, odds=odds, tempered=temperature is not None)
    return ConfidenceSpec(
        name,  # type: ignore[arg-type]
        fitted.method,  # type: ignore[arg-type]
        fitted.knots,
        temperature=temperature or 1.0,
        labelled=len(x),
        nll=fitted.held.nll,
        brier=fitted.held.brier,
        ece=fitted.held.ece,
        augrc=augrc or {},
    )


def certified(
    choosing: Evidence, rest: Evidence, wishes: Wishes, rng: np.random.Generator
) -> Settled:
    """Return the certificate that accepts more: of the largest softmax, or of a chosen ranking.

    Parameters
    ----------
    choosing, rest : Evidence
        Labelled references that choose the ranking (may be none), and the others.
    wishes : Wishes
        With ``max_error``.

    Raises
    ------
    GuaranteeError
        Neither passes.
    """
    seen = choosing.joined(rest)
    ranking = None
    if (~choosing.correct).sum() >= MIN_ERRORS and (~rest.correct).sum() >= MIN_ERRORS:
        ranking = choose_ranking(choosing.logits, choosing.taps, choosing.truth, rng)
    if ranking is not None and ranking.name == "msp":
        augrc, ranking = ranking.augrc, None
    else:
        augrc = ranking.augrc if ranking else {}
    found: list[tuple[float, Settled]] = []
    refused: list[GuaranteeError] = []
    for own, part, share in (
        (None, seen, PLAIN_SHARE if ranking else 1.0),
        (ranking, rest, 1.0 - PLAIN_SHARE),
    )[: 2 if ranking else 1]:
        try:
            settled = _certify_one(part, own, augrc, wishes, share * wishes.delta)
        except GuaranteeError as error:
            refused.append(error)
            continue
        assert settled.certificate is not None
        found.append((settled.certificate.accepted / len(part.truth), settled))
    if not found:
        raise refused[0]
    return max(found, key=lambda entry: entry[0])[1]


def _certify_one(
    seen: Evidence,
    ranking: Ranking | None,
    augrc: dict[str, float],
    wishes: Wishes,
    delta: float,
) -> Settled:
    """Return one ranking's certificate; its threshold is told as a confidence."""
    name = ranking.name if ranking else "msp"
    x = ranking.scores(seen.logits, seen.features) if ranking else ranking_scores(name, seen.logits)
    passed = ~seen.flagged
    escapes, said = _escapes(seen, passed, wishes)
    assert wishes.max_error is not None
    certificate = certify(x[passed], seen.correct[passed], wishes.max_error, delta, escapes)
    spec = _mapped(name, x, seen.correct, augrc=augrc)
    arrays: dict[str, Array] = {}
    if ranking and ranking.probe:
        arrays = {"probe.weight": ranking.probe.weight, "probe.bias": ranking.probe.bias}
        spec = msgspec.structs.replace(spec, gain=ranking.probe.gain)
    least = to_confidence(np.array([certificate.min_confidence - _MARGIN]), spec.knots)[0]
    certificate = msgspec.structs.replace(
        certificate,
        min_confidence=float(least),
        labelled=len(seen.truth),
        attempt=wishes.attempt,
        question=wishes.question,
        delta=wishes.delta,
    )
    if spec.method == "none":
        said = (*said, _why_uncalibrated(seen))
    return Settled(spec, certificate, arrays=arrays, said=said)


def _escapes(
    seen: Evidence, passed: npt.NDArray[np.bool_], wishes: Wishes
) -> tuple[Escapes | None, tuple[str, ...]]:
    good = good_index(seen.labels, wishes.good_label, needed=wishes.max_escapes is not None)
    if good is None:
        return None, ()
    return find_escapes(
        seen.truth, seen.logits.argmax(1), passed, good, seen.labels[good], wishes.max_escapes
    )
