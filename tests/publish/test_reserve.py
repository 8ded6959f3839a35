"""What is kept beside the spool's database: the reserve, and the marks of the boots."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from devices import open_outbox

from edge_guard.publish.marks import AHEAD, Marks
from edge_guard.publish.reserve import Reserve


def test_the_reserve_is_allocated_lent_and_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "reserve"
    reserve = Reserve(path, 100_000)
    assert path.stat().st_blocks * 512 >= 100_000
    with reserve.lent():
        assert path.stat().st_size == 0
    assert path.stat().st_size == 100_000
    assert reserve.hold()


def test_a_full_disk_gives_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [70_000]

    def allocate(_descriptor: int, _offset: int, size: int) -> None:
        if size > left[0]:
            raise OSError(28, "no space left on device")
        left[0] -= size

    monkeypatch.setattr(os, "posix_fallocate", allocate)
    reserve = Reserve(tmp_path / "reserve", 100_000)
    assert left[0] < 4096
    assert not reserve.hold()
    left[0] = 10**9
    assert reserve.hold()


def test_marks_are_ahead_of_what_they_vouch_for(tmp_path: Path) -> None:
    path = tmp_path / "marks.json"
    marks = Marks(path)
    written = set()
    for sequence in range(1, 3 * AHEAD):
        marks.cover("boot", sequence)
        written.add(path.read_bytes())
        assert Marks(path).known()["boot"] >= sequence
    assert len(written) == 3
    marks.cover("other", 1)
    marks.keep({"other"})
    assert Marks(path).known() == {"other": AHEAD}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": "b"}', b"\xff\xfe"])
def test_damaged_marks_are_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "marks.json"
    path.write_bytes(content)
    assert Marks(path).known() == {}


def test_a_reserve_whose_disk_fails_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve = Reserve(tmp_path / "reserve", 100_000)

    def fail(*_arguments: int) -> None:
        raise OSError(5, "input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", fail)
        patch.setattr(os, "truncate", fail)
        with reserve.lent():
            pass
        assert not reserve.hold()
    assert reserve.hold()


def test_what_is_lent_is_not_taken_back_by_another_thread(tmp_path: Path) -> None:
    spool = open_outbox(tmp_path).spool
    path = tmp_path / "spool" / "reserve"
    ageing = threading.Thread(target=spool.next_round)
    with spool._database.mutex, spool._database.reserve.lent():
        ageing.start()
        ageing.join(0.1)
        assert path.stat().st_size == 0
    ageing.join(10)
    assert path.stat().st_size > 0
