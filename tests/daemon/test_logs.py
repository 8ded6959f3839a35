"""What a technician reads: one line each, with a remedy, and not again and again."""

from __future__ import annotations

import logging

import pytest

from edge_guard import logs
from edge_guard.logs import OneLine, Repetitions


def record(words: str, *arguments: object, level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord("edge_guard.sources.live", level, "x.py", 1, words, arguments, None)


def test_a_line_is_one_line_without_the_programs_names() -> None:
    line = OneLine(journal=False, full=False).format(record("camera %s:\n gone", "0"))
    assert line.endswith("WARNING  camera 0: gone")
    assert "edge_guard" not in line


@pytest.mark.parametrize(
    ("level", "prefix"),
    [
        (logging.INFO, "<6>"),
        (logging.WARNING, "<4>"),
        (logging.ERROR, "<3>"),
        (logging.CRITICAL, "<2>"),
    ],
)
def test_the_journal_gets_priorities(level: int, prefix: str) -> None:
    line = OneLine(journal=True, full=False).format(record("gone", level=level))
    assert line == f"{prefix}gone"


def test_an_error_is_named_and_its_trace_is_for_those_who_ask() -> None:
    try:
        raise ZeroDivisionError("division\nby zero")
    except ZeroDivisionError as error:
        one = record("the monitors failed")
        one.exc_info = (type(error), error, error.__traceback__)
    line = OneLine(journal=True, full=False).format(one)
    assert line == "<4>the monitors failed (ZeroDivisionError: division by zero)"
    assert "Traceback" in OneLine(journal=True, full=True).format(one)


def test_repetitions_are_counted_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(logs.time, "monotonic", lambda: now)
    repetitions = Repetitions()
    passed = [
        repetitions.filter(record("camera 0: frame %d cannot be decoded", n)) for n in range(40)
    ]
    assert passed == [True] + [False] * 39
    assert repetitions.filter(record("camera 0 is not there"))
    now += logs.AGAIN_SECONDS
    again = record("camera 0: frame %d cannot be decoded", 99)
    assert repetitions.filter(again)
    assert again.getMessage() == (
        "camera 0: frame 99 cannot be decoded (39 times more in the last 10 min)"
    )
    assert repetitions.filter(record("x")) and not repetitions.filter(record("x"))


def test_what_is_remembered_is_bounded() -> None:
    repetitions = Repetitions()
    for n in range(5000):
        repetitions.filter(record("message " + "x" * n))
    assert len(repetitions._said) <= 256
