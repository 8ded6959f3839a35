"""The bundle of all these tests; the folder of ``running`` on the path."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from realdata import data_dir

for folder in ("collector", "detection"):
    sys.path.append(str(Path(__file__).resolve().parents[1] / folder))

from bottle import Calibrated, calibrate  # noqa: E402


@pytest.fixture(scope="session")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Calibrated:
    root = data_dir()
    if root is None:
        pytest.skip("the real data is absent: set EDGE_GUARD_DATA to its folder")
    return calibrate(root, tmp_path_factory.mktemp("bottle"))
