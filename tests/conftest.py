"""Fixtures for every part. This file also puts tests/ on the path: ``from brokers import …``."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command has it; before NumPy is loaded

from collections.abc import Iterator
from pathlib import Path

import pytest
from brokers import Mosquitto
from fault_table import PROPERTY, table


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [one for many in terminalreporter.stats.values() for one in many]
    properties = [pair for report in reports for pair in getattr(report, "user_properties", ())]
    if rows := [row for name, row in properties if name == PROPERTY]:
        terminalreporter.section("faults")
        terminalreporter.write(table(rows))
