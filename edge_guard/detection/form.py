"""Finds out how a detector writes its boxes, or says what the card must tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edge_guard.backends.spec import TapPlan
from edge_guard.card import OutputCard
from edge_guard.detection.spec import DetectionSpec, Form
from edge_guard.errors import CardError
from edge_guard.types import Doubles, Floats

_SHARES_UP_TO = 2.0
"""Places that are px of the input go beyond this; shares of it do not."""
_SLACK = 0.02
_YOLO: tuple[Form, ...] = ("yolo5", "yolo8", "yolo10")
KNOWN = ("yolo", *_YOLO, "ssd")


def find_form(output: OutputCard, plan: TapPlan, name: str) -> DetectionSpec:
    """Return what card and shapes tell of a detector's outputs.

    Parameters
    ----------
    output : OutputCard
        With its labels as a tuple.
    plan : TapPlan
        ``main`` and ``answers`` are the model's outputs.
    name : str
        What errors call the model.

    Raises
    ------
    CardError
        The card's decoder is unknown, contradicts the shapes, or they fit several.
    """
    decoder = output.decoder or ("ssd" if _is_ssd(plan) else "yolo")
    if decoder not in KNOWN:
        raise CardError(
            f'{name}: the card says decoder = "{decoder}"', f"known are {', '.join(KNOWN)}"
        )
    if decoder == "ssd":
        if not _is_ssd(plan):
            raise CardError(
                f"{name}: an SSD gives out boxes (N × 4), classes (N) and scores (N), in this "
                f"order; this model gives {_shapes(plan)}",
                "export it with its post-processing, or write another decoder",
            )
        return DetectionSpec("ssd", shares=True, threshold=output.threshold)
    fitting = [
        DetectionSpec(form, columns_first=first, threshold=output.threshold)
        for form in (_YOLO if decoder == "yolo" else [_of(decoder)])
        for first in (False, True)
        if _fits(form, first, plan, len(output.labels))
    ]
    if len(fitting) == 1:
        return fitting[0]
    found = "fits none of them" if not fitting else f"fits {', '.join(s.form for s in fitting)}"
    raise CardError(
        f"{name}: output {_shapes(plan)} with {len(output.labels)} labels {found}",
        'write [output] labels, all of them in order, and decoder = "yolo5" (objectness and a '
        'score a class), "yolo8" (a score a class) or "yolo10" (six numbers a box)',
    )


def with_units(
    spec: DetectionSpec, output: OutputCard, runs: Iterable[Sequence[Floats]], name: str
) -> DetectionSpec:
    """Return the same, with the unit of coordinates; what some runs give out is looked through.

    Parameters
    ----------
    spec : DetectionSpec
    output : OutputCard
    runs : iterable of sequences of Floats
        The outputs for some pictures, as real numbers.
    name : str
        What errors call the model.

    Raises
    ------
    CardError
        The outputs are not what the decoder reads, or the unit cannot be told.
    """
    if spec.form == "ssd":
        for corners, classes, scores, *_ in runs:
            _check_ssd(corners, classes, scores, name)
        return spec
    farthest = most = 0.0
    for answers in runs:
        rows = np.asarray(answers[0], np.float64).squeeze()
        rows = np.atleast_2d(rows.T if spec.columns_first else rows)
        told = rows[:, 4:5] if spec.form == "yolo10" else rows[:, 4:]
        _check_scores(told, name)
        most = max(most, float(told.max(initial=0.0)))
        farthest = max(farthest, float(np.abs(rows[:, :2]).max(initial=0.0)))
    if most == 0.0:
        raise CardError(
            f"{name}: the score of every box is exactly 0 for every picture: quantization has "
            "swallowed it",
            "export boxes and scores as outputs of their own, or the output as float32",
        )
    if farthest == 0.0 and output.coordinates == "auto":
        raise CardError(
            f"{name}: all boxes lie at 0, 0: px or shares of the input cannot be told apart",
            'write coordinates = "pixels" or "shares" under [output]',
        )
    shares = output.coordinates == "shares"
    if output.coordinates == "auto":
        shares = farthest <= _SHARES_UP_TO
    return DetectionSpec(spec.form, spec.columns_first, shares, spec.threshold)


def refuse_coarse(plan: TapPlan, threshold: float, name: str) -> None:
    """Raise CardError where one step of a quantized output is no score.

    Boxes in px and scores in one int8 tensor have px for a step: each score becomes 0.
    """
    step = plan.main.scale
    if plan.main.dtype != "float32" and step > threshold / 4:
        raise CardError(
            f"{name}: one step of the quantized output {plan.main.name!r} is {step:.3g}, and "
            f"scores from {threshold:g} up have to be told apart",
            "export boxes and scores as outputs of their own, or the output as float32",
        )


def _check_scores(scores: Doubles, name: str) -> None:
    if scores.size and not (scores.min() >= -_SLACK and scores.max() <= 1 + _SLACK):
        raise CardError(
            f"{name}: the scores of its boxes range from {scores.min():.3g} to "
            f"{scores.max():.3g}: no probabilities",
            "export the model with its final sigmoid, or write the right decoder and labels",
        )


def _check_ssd(corners: Floats, classes: Floats, scores: Floats, name: str) -> None:
    """Refuse outputs in another order or unit: every box would be nothing, or anything."""
    _check_scores(np.asarray(scores, np.float64), name)
    told = np.asarray(classes, np.float64)[np.asarray(scores) > 0]
    whole = bool(np.all((told == np.rint(told)) & (told >= 0)))
    if not whole or np.abs(corners).max(initial=0.0) > _SHARES_UP_TO:
        raise CardError(
            f"{name}: its outputs are not boxes in shares of the input, classes from 0, scores",
            "export it with TensorFlow's detection post-processing, or give its outputs this order",
        )


def _is_ssd(plan: TapPlan) -> bool:
    """Boxes, then two vectors of as many values."""
    if len(plan.answers) < 2 or plan.main.channels != 4:
        return False
    n = plan.main.size // 4
    return all(spec.size == n for spec in plan.answers[:2])


def _fits(form: Form, columns_first: bool, plan: TapPlan, classes: int) -> bool:
    main = plan.main
    if main.height != 1:
        return False
    values = main.width if columns_first else main.channels
    boxes = main.channels if columns_first else main.width
    if form == "yolo10":
        return values == 6 and boxes != 6 and not columns_first
    extra = 5 if form == "yolo5" else 4
    if classes:
        return values == extra + classes
    return extra < values < boxes


def _of(decoder: str) -> Form:
    return next(form for form in _YOLO if form == decoder)


def _shapes(plan: TapPlan) -> str:
    shapes = [
        " × ".join(str(side) for side in (s.height, s.width, s.channels) if side > 1) or "1"
        for s in (plan.main, *plan.answers)
    ]
    return ", ".join(shapes)
