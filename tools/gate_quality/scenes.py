"""Streams of good images: crops without a fixed scene, boards under a fixed camera, a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from guard_quality.domains import CIFAR, PCB, distinct
from line_simulator.recording import parts, recorded
from real_data import ROOT, images, model_file

from edge_guard.types import Image

BOARD_PX = 320
BOARDS = 12
_BLANK_SD = 5.0
_HELD_OUT = 1000
_DEGRADED = 120


@dataclass(frozen=True, slots=True)
class Scene:
    """One stream and the model that inspects it.

    Attributes
    ----------
    name, model : str
        The model's folder in the real data, or a path in the project.
    references, good : sequence of Image
        To calibrate on; to count false flags on.
    degraded : sequence of Image
        Good ones that are to be spoilt.
    fixed : bool
        The camera and the scene stand still.
    """

    name: str
    model: str
    references: Sequence[Image]
    good: Sequence[Image]
    degraded: Sequence[Image]
    fixed: bool


def patches(seed: int, n: int) -> Iterator[Scene]:
    """Yield crops of circuit boards, without blanks and repetitions."""
    x = images(PCB)
    rows = [r for r in distinct(x) if x.images[r].std() >= _BLANK_SD]
    yield _drawn("patches", "pcb_simplecnn_int8_onnx", x.images, rows, n, seed)


def cifar(seed: int, n: int) -> Iterator[Scene]:
    """Yield small free photographs."""
    x = images(CIFAR)
    rows = list(distinct(x))
    yield _drawn("cifar10", "resnet8_cifar10_int8", x.images, rows, n, seed)


def _drawn(
    name: str, model: str, x: Sequence[Image], rows: Sequence[int], n: int, seed: int
) -> Scene:
    order = np.random.default_rng(seed).permutation(rows)
    good = [x[r] for r in order[n : n + _HELD_OUT]]
    references = [x[r] for r in order[:n]]
    return Scene(name, model, references, good, good[:_DEGRADED], fixed=False)


def boards(seed: int, n: int) -> Iterator[Scene]:
    """Yield whole boards, each the same good one again and again under a fixed camera."""
    folder = model_file("pcb_simplecnn_int8_onnx").parents[2] / "images" / "deeppcb_boards"
    for k, file in enumerate(sorted(folder.glob("*_temp.jpg"))[:BOARDS]):
        board = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        assert board is not None, file
        rng = np.random.default_rng([seed, k])
        frames = [_camera(board, rng) for _ in range(n + 100)]
        yield Scene(
            "boards", "pcb_simplecnn_int8_onnx", frames[:n], frames[n:], frames[n : n + 20],
            fixed=True,
        )  # fmt: skip


def _camera(board: Image, rng: np.random.Generator) -> Image:
    """Return the board seen with a pixel of jitter, a percent of gain, and sensor noise."""
    scale = board.shape[0] / BOARD_PX
    dx, dy = rng.uniform(-scale, scale, 2)
    size = (board.shape[1], board.shape[0])
    move = np.array([[1, 0, dx], [0, 1, dy]])
    moved = cv2.warpAffine(board, move, size, borderMode=cv2.BORDER_REFLECT)
    seen = cv2.resize(moved, (BOARD_PX, BOARD_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    seen = seen * np.float32(rng.uniform(0.99, 1.01)) + rng.normal(0.0, 2.0, seen.shape)
    return np.clip(np.rint(seen), 0, 255).astype(np.uint8)


def line(seed: int, n: int) -> Iterator[Scene]:
    """Yield the demo's line: good parts through the camera's own chain."""
    frames = list(recorded(parts("ok", n + 300, 1000 + seed)))
    model = str(ROOT / "models" / "demo_line.onnx")
    yield Scene("line", model, frames[:n], frames[n:], frames[n : n + 100], fixed=True)


MAKERS = {
    "patches": (patches, 1000),
    "line": (line, 300),
    "boards": (boards, 200),
    "cifar10": (cifar, 600),
}
"""Scenes by name, with their number of references. What the gate knows of causes was chosen on
patches and line; boards and cifar10 confirm it."""
