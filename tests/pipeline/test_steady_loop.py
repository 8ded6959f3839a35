"""A stream of frames leaves nothing behind: Python's memory does not grow with them."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

import numpy as np
from tinymodel import parts

import edge_guard
from edge_guard.bundle import Bundle
from edge_guard.pipeline import Pipeline
from edge_guard.types import Frame

WARM_UP, FRAMES = 60, 160
LEAST_KEPT = 8
"""Bytes that keeping anything of a frame takes at least: a reference in a list."""


def held_by_our_code() -> int:
    gc.collect()
    ours = tracemalloc.Filter(True, str(Path(edge_guard.__file__).parent / "*"))
    traces = tracemalloc.take_snapshot().filter_traces([ours]).statistics("filename")
    return sum(trace.size for trace in traces)


def test_memory_does_not_grow_with_the_frames(bundle: Bundle) -> None:
    """Good, flagged and invalid frames in turn; a byte kept of each would be seen."""
    pictures = [*parts(6, 21), np.zeros_like(parts(1, 0)[0])]
    foreign = parts(1, 3)[0].copy()
    foreign[20:40, 20:40] = (255, 0, 255)
    pictures.append(foreign)
    pipeline = Pipeline(bundle, live=True)

    def run(first: int, n: int) -> set[str]:
        verdicts = set()
        for i in range(first, first + n):
            frame = Frame("s", i, pictures[i % len(pictures)], monotonic_ns=i + 1)
            verdicts.add(str(pipeline.inspect(frame).verdict))
        return verdicts

    tracemalloc.start()
    try:
        assert run(0, WARM_UP) >= {"accept", "invalid"}
        before = held_by_our_code()
        run(WARM_UP, FRAMES)
        after = held_by_our_code()
    finally:
        tracemalloc.stop()
    assert after - before < FRAMES * LEAST_KEPT
