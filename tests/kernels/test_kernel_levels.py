"""Choosing the SIMD level, and staying out of Python's way while computing."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from kernel_oracles import scorer_of

from edge_guard import _kernels
from edge_guard._kernels import View


def import_with(level: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from edge_guard import _kernels; print(_kernels.simd_level())"],
        env={**os.environ, "EDGE_GUARD_SIMD": level},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_fastest_level_is_the_default() -> None:
    assert import_with("").stdout.strip() == _kernels.SIMD_LEVELS[-1]


@pytest.mark.parametrize("forced", _kernels.SIMD_LEVELS)
def test_the_environment_forces_a_level(forced: str) -> None:
    assert import_with(forced).stdout.strip() == forced


def test_an_unknown_level_fails_the_import_by_name() -> None:
    failed = import_with("mmx")
    assert failed.returncode != 0
    possible = ", ".join(_kernels.SIMD_LEVELS)
    problem = f"SIMD level 'mmx' is not one this machine can run: {possible}"
    assert f"ImportError: EDGE_GUARD_SIMD: {problem}" in failed.stderr


def test_an_unknown_level_is_refused() -> None:
    before = _kernels.simd_level()
    with pytest.raises(ValueError, match="SIMD level 'AVX2' is not one this machine can run"):
        _kernels.set_simd_level("AVX2")
    assert _kernels.simd_level() == before


CALLS = 1000


class Running:
    """Calls that run in a thread of their own for long enough to look at it."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        bank = rng.normal(size=(20_000, 512)).astype(np.float32)
        self.scorer = scorer_of(n_statistics=512, views=[View(-1, bank=bank)])
        self.score()  # pybind11 drops the GIL by itself in the first call
        self.started = threading.Event()
        self.calls = 0
        self.thread = threading.Thread(target=self._score)

    def score(self) -> None:
        self.scorer.score(None, (), np.zeros(512, np.float32), np.zeros(4), np.zeros(2, np.int32))

    def _score(self) -> None:
        self.started.set()
        for self.calls in range(1, CALLS + 1):
            with contextlib.suppress(RuntimeError):  # the other thread's turn
                self.score()


def test_python_runs_while_a_kernel_computes() -> None:
    """With a switch interval of a minute, only a dropped GIL lets the main thread go on."""
    running = Running()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)
    try:
        running.thread.start()
        assert running.started.wait(10)
        assert running.calls < CALLS  # under a held GIL all would be over
    finally:
        sys.setswitchinterval(interval)
        running.thread.join(60)


def test_a_second_thread_is_refused_not_mixed_in() -> None:
    running = Running()
    running.thread.start()
    assert running.started.wait(10)
    refused = 0
    while running.thread.is_alive():
        try:
            running.scorer.embed((), np.zeros(512, np.float32), np.zeros(512, np.float32))
        except RuntimeError as error:
            refused += "in use by another thread" in str(error)
    running.thread.join(60)
    assert refused > 0
