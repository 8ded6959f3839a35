"""One bundle of the tiny model for all tests here."""

from __future__ import annotations

from pathlib import Path

import pytest
from tinybundle import fit
from tinymodel import parts

from edge_guard.bundle import Bundle, read_bundle


@pytest.fixture(scope="session")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    fit(folder, parts(120, 0))
    return folder / "tiny.guard"


@pytest.fixture(scope="session")
def bundle(path: Path) -> Bundle:
    return read_bundle(path)
