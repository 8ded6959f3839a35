"""Degraded images of the same parts: are they flagged, and does the leading reason name the cause?

Two settings. *Patches*: crops of many boards, freely framed. *Board*: a fixed camera that sees one
board again and again: its defect-free picture moved by a part of a pixel, lit with small
variations, with sensor noise; one guard a board. `tools/gate_quality` measures more scenes and
causes; what spoils a picture is defined there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from gate_quality.kinds import KINDS, Kind, changed
from real_data import images

from edge_guard.calibration.settings import Settings
from edge_guard.evaluation.metrics import auroc
from edge_guard.pipeline import Pipeline
from edge_guard.types import Image
from guard_quality.domains import PCB, draw
from guard_quality.guarded import Judged, calibrated, judge

MODEL = "pcb_simplecnn_int8_onnx"
BOARDS, BOARD_SIDE_PX = 4, 256
BOARD_CLEAN, PATCH_CLEAN, PER_KIND = 250, 1500, 150
_BLANK_SD = 8.0
"""Patches with less contrast, in grey levels, show nothing that could degrade."""

_UNCHANGED = 1.0
"""Mean absolute change, in grey levels, below which a degradation left the picture as it was."""


@dataclass(frozen=True, slots=True)
class Detection:
    """How one kind of degradation fares: ``auroc`` of the fused score, shares of the pictures
    ``detected``, and of the detected ones ``named`` rightly by their leading reason.
    """

    kind: str
    n: int
    auroc: float
    detected: float
    named: float
    leading: dict[str, int]


@dataclass(frozen=True, slots=True)
class Degradation:
    """One setting: false flags among clean frames by leading reason, and each kind's detection."""

    setting: str
    clean: int
    false_flags: dict[str, int]
    kinds: list[Detection]


def patches(references: int, seed: int) -> Degradation:
    """Return how degraded patches fare; false flags are counted on all patches, blank or not."""
    split = draw(PCB, references, PATCH_CLEAN, seed)
    showing = [x for x in split.held_out if x.std() >= _BLANK_SD]
    return _measure("patches", split.references, split.held_out, showing, seed)


def board(index: int, references: int, seed: int) -> Degradation:
    """Return how degraded pictures of one board under a fixed camera fare."""
    template = images("deeppcb_boards").images[2 * index]
    rng = np.random.default_rng([seed, index])
    frames = [_seen(template, rng) for _ in range(references + BOARD_CLEAN)]
    fresh = frames[references:]
    return _measure(f"board {index}", frames[:references], fresh, fresh, seed)


def _seen(template: Image, rng: np.random.Generator) -> Image:
    """Return what a fixed camera sees: moved σ = .3 px, light ±1 %, noise σ = 2 levels."""
    move = np.array([[1, 0, rng.normal(0, 0.3)], [0, 1, rng.normal(0, 0.3)]])
    moved = cv2.warpAffine(template, move, template.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    top, left = ((side - BOARD_SIDE_PX) // 2 for side in template.shape[:2])
    x = moved[top : top + BOARD_SIDE_PX, left : left + BOARD_SIDE_PX].astype(np.float32)
    lit = x * rng.normal(1.0, 0.01) + rng.normal(0.0, 2.0, x.shape)
    return np.clip(np.rint(lit), 0, 255).astype(np.uint8)


def _measure(
    setting: str,
    references: Sequence[Image],
    clean: Sequence[Image],
    parts: Sequence[Image],
    seed: int,
) -> Degradation:
    rng = np.random.default_rng([seed, 2])
    with calibrated(MODEL, references, Settings(seed=seed)) as bundle:
        pipeline = Pipeline(bundle, live=False)
        usual = judge(pipeline, clean)
        kinds = [
            _detection(kind, judge(pipeline, list(_changed(kind, parts, rng))), usual)
            for kind in KINDS
            if kind.target
        ]
        pipeline.close()
    return Degradation(setting, len(clean), _counts(usual), kinds)


def _detection(kind: Kind, judged: Judged, usual: Judged) -> Detection:
    leading = _counts(judged)
    right = sum(n for guard, n in leading.items() if guard in kind.right)
    return Detection(
        kind.name,
        len(judged.fused),
        auroc(usual.fused, judged.fused),
        float(judged.flagged.mean()),
        right / max(sum(leading.values()), 1),
        leading,
    )


def _counts(judged: Judged) -> dict[str, int]:
    return dict(Counter(guard for guard in judged.leading if guard).most_common())


def _changed(kind: Kind, parts: Sequence[Image], rng: np.random.Generator) -> Iterator[Image]:
    """Yield degraded pictures of parts, without those that the change leaves as they were."""
    for part in parts[:PER_KIND]:
        result = changed(kind, part, rng)
        if np.abs(result.astype(np.float32) - part).mean() >= _UNCHANGED:
            yield result
