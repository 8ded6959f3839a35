from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def data_folder() -> Path:
    """Real footage, kept beside the project."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("EDGE_GUARD_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no data in {folder}: set EDGE_GUARD_DATA")
    return folder
