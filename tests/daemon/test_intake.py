"""The queues between capture and inspection."""

from __future__ import annotations

import threading

import numpy as np

from edge_guard.intake import Intake
from edge_guard.types import Frame


def frame(sequence: int) -> Frame:
    return Frame("a", sequence, np.zeros((1, 1), np.uint8))


def sequences(intake: Intake) -> list[int]:
    found = []
    while (item := intake.get(0.0)) is not None:
        found.append(item.sequence)
    return found


def test_a_live_stream_keeps_its_newest_frame() -> None:
    intake = Intake()
    for n in range(5):
        assert intake.put(frame(n), live=True)
    assert intake.dropped == {"newer-frame": 4}
    assert sequences(intake) == [4]


def test_a_file_waits_and_loses_nothing() -> None:
    intake = Intake()
    thread = threading.Thread(target=lambda: [intake.put(frame(n), live=False) for n in range(50)])
    thread.start()
    found = [item.sequence for _ in range(50) if (item := intake.get(10.0))]
    thread.join(10)
    assert found == list(range(50))
    assert intake.dropped == {}


def test_what_is_queued_is_read_to_the_end_after_the_finish() -> None:
    intake = Intake()
    intake.put(frame(0), live=False)
    intake.finish()
    assert not intake.exhausted
    assert not intake.put(frame(1), live=False)
    assert sequences(intake) == [0]
    assert intake.exhausted
    assert intake.dropped == {"closed": 1}


def test_what_is_discarded_is_counted() -> None:
    intake = Intake()
    intake.put(frame(0), live=False)
    intake.put(frame(1), live=False)
    intake.discard()
    assert intake.exhausted
    assert intake.dropped == {"closed": 2}


def test_a_waiting_put_ends_with_the_intake() -> None:
    intake = Intake()
    taken: list[bool] = []
    thread = threading.Thread(
        target=lambda: taken.extend(intake.put(frame(n), live=False) for n in range(9))
    )
    thread.start()
    intake.drain()
    thread.join(10)
    assert not thread.is_alive()
    assert taken[-1] is False
