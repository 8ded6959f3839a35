"""The fused call of a frame, and whole pipelines beside bare loops."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.features import Features
from bench.mobilenet import calibrated
from bench.race import OURS, Race
from edge_guard import _kernels
from edge_guard.benchmark import benchmark
from edge_guard.bundle import read_bundle

MODELS = Path(__file__).resolve().parents[2] / "models"
TAPS = (("int8", 28, 32), ("int8", 14, 96), ("float32", 1, 1280))
"""Three depths of a MobileNetV2: dtype, side, channels."""


def call_races() -> Iterator[Race]:
    """Yield the fused call with three tapped depths and no bank, and a call that does nothing."""
    rng = np.random.default_rng(0)
    tensors, taps, views = [], [], []
    for number, (dtype, side, channels) in enumerate(TAPS):
        tensors.append(
            _kernels.Tensor(dtype, side, side, channels, scale=0.05 if side > 1 else 1.0)
        )
        values = rng.integers(-128, 128, (side, side, channels))
        taps.append(values.astype(dtype))
        views.append(_view(number, channels * (3 if side > 1 else 1)))
    logits = rng.integers(-128, 128, 1000).astype(np.int8)
    layout = _kernels.Tensor("int8", 1, 1, 1000, scale=0.1)
    scorer = _kernels.Scorer(layout, False, 1.0, 0.1, 10, tensors, 0, views, None)
    empty = _kernels.Scorer(None, False, 1.0, 0.1, 1, [], 0, [], None)
    nothing = np.zeros(0, np.float32)
    outputs = np.zeros(scorer.n_scores + 3), np.zeros(scorer.n_indices, np.int32)
    least = np.zeros(3), np.zeros(1, np.int32)
    arrays = tuple(taps)
    calls = {
        OURS: lambda _: scorer.score(logits, arrays, nothing, *outputs),
        "no-op call": lambda _: empty.score(None, (), nothing, *least),
    }
    yield Race("fused call, three taps, Gaussians of 64 axes", calls, sum(t.nbytes for t in taps))


def shipped() -> list[Path]:
    """Return the bundles that come with edge-guard."""
    return sorted(MODELS.glob("*.guard"))


def bundles(paths: list[Path] | None, frames: int) -> Iterator[dict[str, Any]]:
    """Yield what ``edge-guard bench`` measures: of the given bundles, else of the shipped ones and
    of one made here for the random MobileNetV2."""
    for path in paths or shipped():
        yield benchmark(read_bundle(path), frames=frames, threads=1)
    if not paths:
        print("bench: calibrating a MobileNetV2; a minute or two", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            bundle, model = calibrated(Path(folder))
            yield benchmark(read_bundle(bundle), frames=frames, threads=1, model=model)


def _view(source: int, dim: int) -> _kernels.View:
    features = Features(dim, seed=source)
    rows = features.draw(64)
    basis = np.linalg.qr(rows.T.astype(np.float64))[0].T
    return _kernels.View(
        source,
        dim,
        means=features.draw(10),
        basis=np.ascontiguousarray(basis, np.float32),
        gain=np.ones(len(basis), np.float32),
        perp=1.0,
    )
