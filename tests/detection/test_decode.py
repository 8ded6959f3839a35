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
from edge_guard.detection.detector import Detector, Seen, clearance, log_odds
from edge_guard.detection.form import find_form, refuse_coarse, with_units
from edge_guard.detection.spec import DetectionSpec
from edge_guard.errors import CardError
from edge_guard.types import Outputs

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


YOLO = OutputCard(task="detect", labels=("a",))


def test_units_are_seen_even_where_nothing_is_found() -> None:
    spec = DetectionSpec("yolo8")
    small = np.array([[0.5, 0.5, 0.2, 0.2, 0.001], [0.9, 0.9, 0.1, 0.1, 0.002]], np.float32)
    assert with_units(spec, YOLO, [[small]], "m").shares
    assert not with_units(spec, YOLO, [[small * [64, 64, 64, 64, 1]]], "m").shares
    said = OutputCard(task="detect", labels=("a",), coordinates="shares")
    assert with_units(spec, said, [[small * [64, 64, 64, 64, 1]]], "m").shares


@pytest.mark.parametrize(
    ("factors", "words"),
    [
        ([1, 1, 1, 1, 700], "no probabilities"),
        ([1, 1, 1, 1, 0], "quantization has swallowed it"),
        ([0, 0, 1, 1, 1], 'write coordinates = "pixels"'),
    ],
)
def test_outputs_that_are_none_are_refused(factors: list[float], words: str) -> None:
    rows = np.array([[0.5, 0.5, 0.2, 0.2, 0.01]], np.float32)
    with pytest.raises(CardError, match=words):
        with_units(DetectionSpec("yolo8"), YOLO, [[rows * factors]], "m")


def test_quantization_that_swallows_scores_is_refused() -> None:
    coarse = TensorSpec("y", "int8", 1, 84, 8400, scale=2.56)
    with pytest.raises(CardError, match="one step of the quantized output"):
        refuse_coarse(TapPlan(PICTURE, coarse, None, False, ()), 0.25, "m")
    fine = TensorSpec("y", "int8", 1, 84, 8400, scale=1 / 256)
    refuse_coarse(TapPlan(PICTURE, fine, None, False, ()), 0.25, "m")


@pytest.mark.parametrize(
    "answers",
    [
        [[[200.0, 100, 500, 300]], [1.0], [0.6]],  # px
        [[[0.2, 0.1, 0.5, 0.3]], [0.6], [1.0]],  # scores before classes
        [[[0.2, 0.1, 0.5, 0.3]], [-1.0], [0.6]],
        [[[0.2, 0.1, 0.5, 0.3]], [1.0], [6.0]],
    ],
)
def test_an_ssd_in_another_order_or_unit_is_refused(answers: list[list[float]]) -> None:
    run = [np.array(answer, np.float32) for answer in answers]
    with pytest.raises(CardError):
        with_units(DetectionSpec("ssd", shares=True), YOLO, [run], "m")


def read(rows: list[list[float]], frame: tuple[int, int], threshold: float = 0.25) -> Seen | None:
    shape = TensorSpec("y", "float32", 1, len(rows), len(rows[0]))
    layout = TapPlan(TensorSpec("x", "float32", 640, 640, 3), shape, None, False, ())
    detector = Detector(DetectionSpec("yolo8", threshold=threshold), layout, ("a",), "stretch")
    outputs = Outputs(np.array([rows], np.float32), None, ())
    return detector.read(outputs, frame)


def test_a_small_box_does_not_round_away() -> None:
    seen = read([[320.0, 320, 3, 3, 0.95]], (100, 100))
    assert [box.box for box in seen.boxes] == [(49, 49, 2, 2)]


def test_a_sure_box_beside_the_frame_makes_nothing_sure() -> None:
    seen = read([[900.0, 320, 30, 30, 0.95]], (100, 100))
    assert seen == Seen((), 0.0)


@pytest.mark.parametrize("threshold", [0.01, 0.05, 0.5])
def test_every_threshold_has_its_floor(threshold: float) -> None:
    seen = read([[320.0, 320, 30, 30, threshold * 1.01]], (100, 100), threshold)
    assert len(seen.boxes) == 1
    assert read([[320.0, 320, 30, 30, 0.0]], (100, 100), threshold).clearance > 0


def test_many_parts_with_many_candidates_each_are_all_kept() -> None:
    rng = np.random.default_rng(0)
    places = [(40 + 80 * (i % 8), 40 + 80 * (i // 8)) for i in range(64)]
    rows = [
        [x + rng.normal(), y + rng.normal(), 40, 40, rng.uniform(0.3, 0.9)]
        for x, y in places
        for _ in range(30)
    ]
    assert len(read(rows, (640, 640)).boxes) == 64


def test_clearance_is_the_distance_of_the_nearest_candidate() -> None:
    assert clearance(np.array([0.9, 0.3]), 0.25) == pytest.approx(log_odds(0.3) - log_odds(0.25))
    assert clearance(np.array([]), 0.25) == pytest.approx(log_odds(0.25) - log_odds(0.05))
    assert np.isfinite(clearance(np.array([1.0]), 0.5))
