"""The fault suite: what goes wrong, how often, and whether everything is accounted for.

``make test`` runs a short form, ``make test-faults`` (``EDGE_GUARD_FAULTS=long``) the long one.
Each fault leaves a row in the table that is printed at the end.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

for folder in ("collector", "daemon"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))

from accounts import ROWS, table  # noqa: E402  found through the path above

LONG = os.environ.get("EDGE_GUARD_FAULTS") == "long"


@pytest.fixture
def times() -> Callable[[int, int], int]:
    """How often: ``times(in the short form, in the long form)``."""
    return lambda short, long: long if LONG else short


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if LONG and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(1800))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if ROWS:
        terminalreporter.section("faults" if LONG else "faults, short form")
        terminalreporter.write(table())
