"""Layouts of detectors' outputs against boxes worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edge_guard.backends.spec import TapPlan, TensorSpec
from edge_guard.card import OutputCard
from edge_guard.detection.decode import (
    OVERLAP,
    Candidates,
    decode,
    intersection_over_union,
    suppress,
)
from edge_guard.detection.detector import clearance, log_odds
from edge_guard.detection.form import find_form, with_units
from edge_guard.detection.spec import DetectionSpec
from edge_guard.errors import CardError

PICTURE = TensorSpec("x", "float32", 64, 64, 3)
BOX = [[10.0, 20.0, 30.0, 50.0]]
"""Left, top, right, bottom px of the only box."""


def plan(*shapes: tuple[int, int]) -> TapPlan:
    specs = [TensorSpec(f"y{i}", "float32", 1, *shape) for i, shape in enumerate(shapes)]
    return TapPlan(PICTURE, specs[0], None, False, (), tuple(specs[1:]))


@pytest.mark.parametrize("columns_first", [False, True])
@pytest.mark.parametrize(
    ("form", "row", "score"),
    [
        ("yolo5", [20, 35, 20, 30, 0.5, 0.1, 0.8], 0.4),
        ("yolo8", [20, 35, 20, 30, 0.1, 0.8], 0.8),
    ],
)
def test_a_yolo_row_is_a_box(
    form: str, row: list[float], score: float, columns_first: bool
) -> None:
    rows = np.array([row, [0.0] * len(row)], np.float32)
    answer = rows.T if columns_first else rows
    found = decode(DetectionSpec(form, columns_first), [answer[None]], 64, 64)
    assert found.corners.tolist() == BOX
    assert found.scores == pytest.approx([score])
    assert found.classes.tolist() == [1]


def test_a_yolo10_row_is_a_box_and_is_not_suppressed() -> None:
    rows = np.array([[10, 20, 30, 50, 0.9, 1], [10, 20, 30, 50, 0.7, 1]], np.float32)
    found = decode(DetectionSpec("yolo10"), [rows], 64, 64)
    assert found.corners.tolist() == BOX * 2


def test_shares_become_pixels() -> None:
    rows = np.array([[0.3125, 0.546875, 0.3125, 0.46875, 0.0, 0.8]], np.float32)
    found = decode(DetectionSpec("yolo8", shares=True), [rows], 64, 64)
    assert found.corners.tolist() == BOX


def test_an_ssd_gives_corners_from_the_top() -> None:
    corners = np.array([[20, 10, 50, 30], [0, 0, 0, 0]], np.float32) / 64
    answers = [corners, np.array([1.0, 0.0]), np.array([0.6, 0.0])]
    found = decode(DetectionSpec("ssd", shares=True), answers, 64, 64)
    assert found.corners.tolist() == BOX
    assert (found.scores.tolist(), found.classes.tolist()) == ([0.6], [1])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_no_answer(bad: float) -> None:
    rows = np.array([[20, 35, 20, 30, bad, 0.8]], np.float32)
    assert decode(DetectionSpec("yolo8"), [rows], 64, 64) is None


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """The same, by counting points of a fine grid."""
    at = np.arange(0, 40, 0.25) + 0.125
    x, y = np.meshgrid(at, at)
    inside = [(x > p[0]) & (x < p[2]) & (y > p[1]) & (y < p[3]) for p in (a, b)]
    union = (inside[0] | inside[1]).sum()
    return float((inside[0] & inside[1]).sum() / union) if union else 0.0


def test_overlaps_against_counted_points() -> None:
    rng = np.random.default_rng(0)
    low = rng.integers(0, 80, (60, 2)) / 4
    boxes = np.hstack([low, low + rng.integers(0, 80, (60, 2)) / 4])
    for one in boxes[:10]:
        counted = [overlap(one, other) for other in boxes]
        assert intersection_over_union(one, boxes) == pytest.approx(counted, abs=1e-9)


def test_what_stays_overlaps_no_better_box_and_what_goes_does() -> None:
    rng = np.random.default_rng(1)
    low = rng.uniform(0, 20, (80, 2))
    corners = np.hstack([low, low + rng.uniform(3, 12, (80, 2))])
    scores = -np.sort(-rng.random(80))
    classes = rng.integers(0, 2, 80)
    kept = suppress(Candidates(corners, scores, classes))
    staying = {tuple(box) for box in kept.corners}
    for i in range(80):
        better = [
            j
            for j in range(i)
            if tuple(corners[j]) in staying
            and classes[j] == classes[i]
            and overlap(corners[i], corners[j]) > OVERLAP + 0.03
        ]
        if tuple(corners[i]) in staying:
            assert not better
    assert 10 < len(kept.scores) < 80
    assert (np.diff(kept.scores) <= 0).all()


@pytest.mark.parametrize(
    ("shape", "labels", "decoder", "form", "columns_first"),
    [
        ((84, 8400), 80, None, "yolo8", True),
        ((8400, 84), 80, "yolo", "yolo8", False),
        ((25200, 85), 80, "yolo", "yolo5", False),
        ((300, 6), 80, None, "yolo10", False),
        ((6, 1024), 2, "yolo8", "yolo8", True),
    ],
)
def test_the_form_is_told_from_shapes(
    shape: tuple[int, int], labels: int, decoder: str | None, form: str, columns_first: bool
) -> None:
    output = OutputCard(task="detect", labels=tuple(str(i) for i in range(labels)), decoder=decoder)
    spec = find_form(output, plan(shape), "m.onnx")
    assert (spec.form, spec.columns_first) == (form, columns_first)


@pytest.mark.parametrize(
    ("shapes", "labels", "decoder", "words"),
    [
        (((84, 8400),), 3, None, "fits none"),
        (((300, 6),), 2, None, "fits yolo8, yolo10"),
        (((300, 6),), 1, "centernet", "known are yolo"),
        (((84, 8400),), 80, "ssd", "export it with its post-processing"),
    ],
)
def test_what_cannot_be_told_is_asked_for(
    shapes: tuple[tuple[int, int], ...], labels: int, decoder: str | None, words: str
) -> None:
    output = OutputCard(task="detect", labels=tuple(str(i) for i in range(labels)), decoder=decoder)
    with pytest.raises(CardError, match=words):
        find_form(output, plan(*shapes), "m.onnx")


def test_units_are_seen_and_logits_refused() -> None:
    spec = DetectionSpec("yolo8")
    small = np.array([[0.5, 0.5, 0.2, 0.2, 0.9]], np.float32)
    assert with_units(spec, [[small]], "m").shares
    assert not with_units(spec, [[small * [64, 64, 64, 64, 1]]], "m").shares
    with pytest.raises(CardError, match="no probabilities"):
        with_units(spec, [[small * [1, 1, 1, 1, 7]]], "m")


def test_clearance_is_the_distance_of_the_nearest_candidate() -> None:
    assert clearance(np.array([0.9, 0.3]), 0.25) == pytest.approx(log_odds(0.3) - log_odds(0.25))
    assert clearance(np.array([]), 0.25) == pytest.approx(log_odds(0.25) - log_odds(0.05))
    assert np.isfinite(clearance(np.array([1.0]), 0.5))
