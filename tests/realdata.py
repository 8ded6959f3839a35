"""The real models and images for tests; a test that needs them is skipped where they are absent."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from real_data import CARDS, Pictures, data_dir, images, linked_model, model_file, write_card

__all__ = [
    "CARDS",
    "Pictures",
    "data_dir",
    "images",
    "linked_model",
    "model_file",
    "needs_data",
    "write_card",
]

needs_data = pytest.mark.skipif(
    data_dir() is None, reason="the real data is absent: set EDGE_GUARD_DATA to its folder"
)
