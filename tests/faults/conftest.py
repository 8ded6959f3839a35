"""The fault suite: what goes wrong, how often, and whether everything is accounted for.

``make test`` runs a short form, ``make test-faults`` (``EDGE_GUARD_FAULTS=long``) the long one.
Each fault leaves a row in the table that is printed at the end.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

for folder in ("collector", "daemon"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))

from accounts import ROWS  # noqa: E402  found through the path above
from fault_table import PROPERTY  # noqa: E402

LONG = os.environ.get("EDGE_GUARD_FAULTS") == "long"


@pytest.fixture
def times() -> Callable[[int, int], int]:
    """How often: ``times(in the short form, in the long form)``."""
    return lambda short, long: long if LONG else short


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if LONG and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture(autouse=True)
def rows_in_the_report(request: pytest.FixtureRequest) -> Iterator[None]:
    """The report goes to the process that prints; ``ROWS`` does not."""
    ROWS.clear()
    yield
    request.node.user_properties += [(PROPERTY, list(row)) for row in ROWS]
