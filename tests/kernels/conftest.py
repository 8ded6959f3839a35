"""Every test that takes ``level`` runs once at each SIMD level of this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edge_guard import _kernels


@pytest.fixture(params=_kernels.SIMD_LEVELS)
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    before = _kernels.simd_level()
    _kernels.set_simd_level(request.param)
    yield request.param
    _kernels.set_simd_level(before)
