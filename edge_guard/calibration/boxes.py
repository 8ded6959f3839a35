"""What labelled references say of a detector: which boxes are right, and how sure it can be.

A box is right when it overlaps one of its label that people drew by at least half (intersection
over union, as in PASCAL VOC and COCO's AP50) and no better box has taken that one. A frame is right
when all its boxes are and none is missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from edge_guard.backends.preprocess import Preprocess
from edge_guard.backends.spec import Backend
from edge_guard.calibration.confidence import MIN_ERRORS, fit_map
from edge_guard.calibration.dials import Wishes, set_dials
from edge_guard.calibration.labelled import Settled
from edge_guard.calibration.references import Mark, Reference
from edge_guard.calibration.selective import certify
from edge_guard.card import Card
from edge_guard.confidence import IDENTITY, to_confidence
from edge_guard.detection.decode import intersection_over_union
from edge_guard.detection.detector import Detector, Seen, log_odds, real_answers
from edge_guard.detection.form import find_form, refuse_coarse, with_units
from edge_guard.detection.spec import DetectionSpec
from edge_guard.errors import ConfigError, ReferencesError
from edge_guard.manifest import ConfidenceSpec
from edge_guard.types import Detection, Doubles, Floats

OVERLAP = 0.5
MIN_LABELLED = 30
"""Labelled references, or boxes, that a map to confidence takes."""
_LOOKED_AT = 32
"""References that show the unit of coordinates."""
_MARGIN = 1e-6


@dataclass(frozen=True, slots=True)
class Boxes:
    """What a detector says of N references, and what people said of some.

    Attributes
    ----------
    spec : DetectionSpec
    clearance : Doubles
        (N,)
    labels : tuple of str
        (N,) the answer in a word.
    known : array of bool
        (N,) where people said what there is.
    right : array of bool
        (N,) whether all boxes are right and none is missing; false where nobody said.
    box_odds : Doubles
        (M,) ln of the odds of the scores of all boxes of known references.
    box_right : array of bool
        (M,)
    """

    spec: DetectionSpec
    clearance: Doubles
    labels: tuple[str, ...]
    known: npt.NDArray[np.bool_]
    right: npt.NDArray[np.bool_]
    box_odds: Doubles
    box_right: npt.NDArray[np.bool_]

    def digest(self) -> str:
        """Return the digest of this evidence."""
        parts = (self.clearance, self.known, self.right, self.box_odds, self.box_right)
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()[:16]


def look(
    backend: Backend,
    preprocess: Preprocess,
    card: Card,
    labels: tuple[str, ...],
    references: Sequence[Reference],
    name: str,
) -> Boxes:
    """Return what a detector says of references.

    Raises
    ------
    CardError
        How it writes its boxes cannot be told, or contradicts the card.
    ReferencesError
        A label that people wrote is none of the model's.
    """
    output = msgspec.structs.replace(card.output, labels=labels)
    form = find_form(output, backend.plan, name)
    refuse_coarse(backend.plan, form.threshold, name)
    spec = with_units(form, output, _runs(backend, preprocess, references[:_LOOKED_AT]), name)
    detector = Detector(spec, backend.plan, labels, card.input.resize)
    seen: list[Seen | None] = []
    verdicts: list[tuple[bool, list[bool]] | None] = []
    for reference in references:
        image = reference.load()
        preprocess(image, backend.tensor)
        one = detector.read(backend.run(), image.shape[:2])
        seen.append(one)
        truth = reference.marks
        known = one is not None and truth is not None
        verdicts.append(matched(one.boxes, scaled(truth, image.shape), labels) if known else None)  # type: ignore[union-attr,arg-type]
    odds = [
        log_odds(box.score)
        for one, verdict in zip(seen, verdicts, strict=True)
        if one is not None and verdict is not None
        for box in one.boxes
    ]
    return Boxes(
        spec,
        np.array([one.clearance if one else 0.0 for one in seen]),
        tuple(one.label if one else "" for one in seen),
        np.array([verdict is not None for verdict in verdicts], bool),
        np.array([verdict is not None and verdict[0] for verdict in verdicts], bool),
        np.array(odds, np.float64),
        np.array([right for verdict in verdicts if verdict for right in verdict[1]], bool),
    )


def _runs(
    backend: Backend, preprocess: Preprocess, references: Sequence[Reference]
) -> Iterator[list[Floats]]:
    for reference in references:
        preprocess(reference.load(), backend.tensor)
        yield real_answers(backend.run(), backend.plan)


def scaled(truth: Sequence[Mark], shape: Sequence[int]) -> list[tuple[str, Doubles]]:
    """Return labels and corners in px."""
    size = np.array([shape[1], shape[0]] * 2, np.float64)
    found = []
    for mark in truth:
        if mark.corners is None:
            raise ReferencesError(
                f"{mark.label!r} has no box", "give left, top, width and height of each"
            )
        corners = np.array(mark.corners)
        found.append((mark.label, corners * size if mark.shares else corners))
    return found


def matched(
    boxes: Sequence[Detection], truth: Sequence[tuple[str, Doubles]], labels: Sequence[str]
) -> tuple[bool, list[bool]]:
    """Return whether a frame's boxes are all there is, and which of them are right.

    Raises
    ------
    ReferencesError
        A label is none of the model's.
    """
    if unknown := sorted({label for label, _ in truth} - set(labels)) if labels else []:
        raise ReferencesError(
            f"label {unknown[0]!r} is none of the model's ({', '.join(list(labels)[:8])})",
            "write labels as the card has them",
        )
    free = list(truth)
    right = []
    for box in boxes:
        x, y, width, height = box.box
        corners = np.array([x, y, x + width, y + height], np.float64)
        alike = [i for i, (label, _) in enumerate(free) if label == box.label]
        overlaps = [float(intersection_over_union(corners, free[i][1][None])[0]) for i in alike]
        hit = max(range(len(alike)), key=overlaps.__getitem__, default=None)
        right.append(hit is not None and overlaps[hit] >= OVERLAP)
        if hit is not None and right[-1]:
            del free[alike[hit]]
    return all(right) and not free, right


def settle_boxes(seen: Boxes, flagged: npt.NDArray[np.bool_], wishes: Wishes) -> Settled:
    """Return confidence, certificate and dials for a detector.

    Raises
    ------
    ConfigError
        Something asked for makes no sense for a detector.
    ReferencesError
        Something asked for needs labels that are missing.
    GuaranteeError
        The certificate is not attainable.
    """
    if wishes.max_escapes is not None or wishes.good_label is not None:
        raise ConfigError(
            "--max-escapes and --good-label are about a classifier, and this model finds boxes",
            "leave them out: a missing box makes a frame wrong for --max-error",
        )
    x, right = seen.clearance[seen.known], seen.right[seen.known]
    if wishes.max_error is not None and not len(x):
        raise ReferencesError(
            "--max-error needs labelled references",
            "give --labels FILE (CSV or COCO JSON), or YOLO text beside the images",
        )
    spec = _map(x, right)
    if wishes.max_error is None:
        settled = Settled(spec, None, said=() if spec or not len(x) else (_why(right),))
    else:
        passed = ~flagged[seen.known]
        spec = spec or ConfidenceSpec("clearance", "none", IDENTITY, labelled=len(x))
        certificate = certify(x[passed], right[passed], wishes.max_error, wishes.delta)
        at = np.array([certificate.min_confidence - _MARGIN])
        certificate = msgspec.structs.replace(
            certificate,
            min_confidence=float(to_confidence(at, spec.knots)[0]),
            labelled=len(x),
            attempt=wishes.attempt,
            question=wishes.question,
            delta=wishes.delta,
        )
        settled = Settled(spec, certificate)
    if wishes.review_budget is None and wishes.cost_error is None:
        return settled
    spec = settled.confidence or ConfidenceSpec("clearance", "none", IDENTITY)
    confidence = to_confidence(seen.clearance, spec.knots)
    dials = set_dials(confidence, flagged, wishes, settled.certificate, spec.method)
    return Settled(spec, settled.certificate, dials, said=settled.said)


def with_box_confidence(seen: Boxes) -> DetectionSpec:
    """Return the detector's form with the map from a box's score to its confidence."""
    odds, right = seen.box_odds, seen.box_right
    if len(odds) < MIN_LABELLED or min(right.sum(), (~right).sum()) < MIN_ERRORS:
        return seen.spec
    fitted = fit_map(odds, right, odds=True, tempered=False)
    return msgspec.structs.replace(seen.spec, box_knots=fitted.knots)


def _map(x: Doubles, right: npt.NDArray[np.bool_]) -> ConfidenceSpec | None:
    if len(x) < MIN_LABELLED or min(right.sum(), (~right).sum()) < MIN_ERRORS:
        return None
    fitted = fit_map(x, right, odds=False, tempered=False)
    return ConfidenceSpec(
        "clearance",
        fitted.method,  # type: ignore[arg-type]
        fitted.knots,
        labelled=len(x),
        nll=fitted.held.nll,
        brier=fitted.held.brier,
        ece=fitted.held.ece,
    )


def _why(right: npt.NDArray[np.bool_]) -> str:
    wrong = int((~right).sum())
    return (
        f"the boxes are wrong in {wrong} of {len(right)} labelled references: too few of either "
        "kind to calibrate a confidence"
    )
