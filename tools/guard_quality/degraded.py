"""Degraded images of the same parts: are they flagged, and does the leading reason name the cause?

Two settings. *Patches*: crops of many boards, freely framed. *Board*: a fixed camera that sees one
board again and again: its defect-free picture moved by a part of a pixel, lit with small
variations, with sensor noise; one guard a board.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from real_data import images

from edge_guard.calibration.calibrate import Settings
from edge_guard.evaluation.metrics import auroc
from edge_guard.pipeline import Pipeline
from edge_guard.types import Floats, Image
from guard_quality.domains import PCB, draw
from guard_quality.guarded import calibrated, judge

MODEL = "pcb_simplecnn_int8_onnx"
BOARDS, BOARD_SIDE_PX = 4, 256
BOARD_CLEAN, PATCH_CLEAN, PER_KIND = 250, 1500, 150
_BLANK_SD = 8.0
"""Patches with less contrast, in grey levels, show nothing that could degrade."""

_UNCHANGED = 1.0
"""Mean absolute change, in grey levels, below which a degradation left the picture as it was."""

Change = Callable[[Floats, np.random.Generator], Floats]


@dataclass(frozen=True, slots=True)
class Detection:
    """How one kind of degradation fares: ``named`` is the share of right leading reasons among
    the detected, None where no check of the gate could name it.
    """

    kind: str
    n: int
    auroc: float
    detected: float
    named: float | None
    leading: dict[str, int]


@dataclass(frozen=True, slots=True)
class Degradation:
    """One setting: false flags among clean frames by leading reason, and each kind's detection."""

    setting: str
    clean: int
    false_flags: dict[str, int]
    kinds: list[Detection]


def _rotated(x: Floats, _: np.random.Generator) -> Floats:
    center = ((x.shape[1] - 1) / 2, (x.shape[0] - 1) / 2)
    turn = cv2.getRotationMatrix2D(center, 5.0, 1.0)
    return cv2.warpAffine(x, turn, x.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101)


def _occluded(x: Floats, rng: np.random.Generator) -> Floats:
    side = round(float(np.sqrt(0.1 * x.shape[0] * x.shape[1])))
    r, c = rng.integers(x.shape[0] - side + 1), rng.integers(x.shape[1] - side + 1)
    result = x.copy()
    result[r : r + side, c : c + side] = 128.0
    return result


def _half_dark(x: Floats, _: np.random.Generator) -> Floats:
    result = x.copy()
    result[:, : x.shape[1] // 2] *= 0.5
    return result


def _jpeg(x: Floats, _: np.random.Generator) -> Floats:
    done, data = cv2.imencode(".jpg", _to_bytes(x), [cv2.IMWRITE_JPEG_QUALITY, 15])
    assert done
    return cv2.imdecode(data, cv2.IMREAD_UNCHANGED).astype(np.float32)


CHANGES: dict[str, Change] = {
    "blur σ 2": lambda x, _: cv2.GaussianBlur(x, (0, 0), 2.0),
    "noise σ 15": lambda x, rng: x + rng.normal(0.0, 15.0, x.shape).astype(np.float32),
    "+20 levels": lambda x, _: x + 20.0,
    "−20 levels": lambda x, _: x - 20.0,
    "half dark": _half_dark,
    "rotation 5°": _rotated,
    "10 % occlusion": _occluded,
    "JPEG 15": _jpeg,
    "inverted": lambda x, _: 255.0 - x,
}

LIGHT = frozenset({"gate.exposure", "gate.clipping"})
RIGHT: dict[str, frozenset[str]] = {
    "blur σ 2": frozenset({"gate.focus"}),
    "noise σ 15": frozenset({"gate.noise"}),
    "+20 levels": LIGHT,
    "−20 levels": LIGHT,
    "half dark": LIGHT,
    "rotation 5°": frozenset({"gate.alignment"}),
    "10 % occlusion": frozenset({"gate.occlusion"}),
    "JPEG 15": frozenset({"gate.noise", "gate.focus"}),
    "inverted": LIGHT,
}
"""Leading reasons that name the cause."""

_NEEDS_FIXED_SCENE = frozenset({"rotation 5°", "10 % occlusion"})


def patches(references: int, seed: int) -> Degradation:
    """Return how degraded patches fare; false flags are counted on all patches, blank or not."""
    split = draw(PCB, references, PATCH_CLEAN, seed)
    showing = [x for x in split.held_out if x.std() >= _BLANK_SD]
    return _measure("patches", split.references, split.held_out, showing, seed, fixed=False)


def boards(references: int, seed: int) -> Iterator[Degradation]:
    """Yield how degraded pictures of single boards under a fixed camera fare."""
    for index in range(BOARDS):
        yield board(index, references, seed)


def board(index: int, references: int, seed: int) -> Degradation:
    """Return how degraded pictures of one board under a fixed camera fare."""
    template = images("deeppcb_boards").images[2 * index]
    rng = np.random.default_rng([seed, index])
    frames = [_seen(template, rng) for _ in range(references + BOARD_CLEAN)]
    fresh = frames[references:]
    return _measure(f"board {index}", frames[:references], fresh, fresh, seed, fixed=True)


def _seen(template: Image, rng: np.random.Generator) -> Image:
    """Return what a fixed camera sees: moved σ = .3 px, light ±1 %, noise σ = 2 levels."""
    move = np.array([[1, 0, rng.normal(0, 0.3)], [0, 1, rng.normal(0, 0.3)]])
    moved = cv2.warpAffine(template, move, template.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    top, left = ((side - BOARD_SIDE_PX) // 2 for side in template.shape[:2])
    x = moved[top : top + BOARD_SIDE_PX, left : left + BOARD_SIDE_PX].astype(np.float32)
    return _to_bytes(x * rng.normal(1.0, 0.01) + rng.normal(0.0, 2.0, x.shape))


def _measure(
    setting: str,
    references: Sequence[Image],
    clean: Sequence[Image],
    parts: Sequence[Image],
    seed: int,
    *,
    fixed: bool,
) -> Degradation:
    rng = np.random.default_rng([seed, 2])
    with calibrated(MODEL, references, Settings(seed=seed)) as bundle:
        pipeline = Pipeline(bundle, live=False)
        usual = judge(pipeline, clean)
        kinds = []
        for kind, change in CHANGES.items():
            changed = list(_changed(change, parts, rng))
            judged = judge(pipeline, changed)
            leading = _counts(judged.leading)
            right = sum(n for guard, n in leading.items() if guard in RIGHT[kind])
            nameable = fixed or kind not in _NEEDS_FIXED_SCENE
            kinds.append(
                Detection(
                    kind,
                    len(changed),
                    auroc(usual.fused, judged.fused),
                    float(judged.flagged.mean()),
                    right / max(sum(leading.values()), 1) if nameable else None,
                    leading,
                )
            )
        pipeline.close()
    return Degradation(setting, len(clean), _counts(usual.leading), kinds)


def _counts(leading: Sequence[str]) -> dict[str, int]:
    return dict(Counter(guard for guard in leading if guard).most_common())


def _changed(change: Change, parts: Sequence[Image], rng: np.random.Generator) -> Iterator[Image]:
    """Yield degraded pictures of parts, without those that the change leaves as they were."""
    for part in parts[:PER_KIND]:
        result = _to_bytes(change(part.astype(np.float32), rng))
        if np.abs(result.astype(np.float32) - part).mean() >= _UNCHANGED:
            yield result


def _to_bytes(x: Floats) -> Image:
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)
