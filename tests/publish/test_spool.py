"""The spool alone: durability, release, quota, damage."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from devices import open_outbox, post_alarm, post_event, post_summary
from hypothesis import given
from hypothesis import strategies as st

from edge_guard.errors import StoreError
from edge_guard.publish import database, rescue
from edge_guard.publish.answers import covered
from edge_guard.publish.database import FullError
from edge_guard.publish.losses import merge
from edge_guard.publish.messages import Alarm, BootReceipt, Dropped, Event, decode
from edge_guard.publish.outbox import Outbox
from edge_guard.publish.rows import OVERDUE_ROUNDS, Row


def take(outbox: Outbox, limit: int = 10_000, overdue: int = 0) -> list[Row]:
    return outbox.spool.take(limit, 1_000_000_000, overdue)


def receive(outbox: Outbox, contiguous: int, highest: int = 0, *gaps: tuple[int, int]) -> int:
    boot = outbox.spool.boot_id
    return outbox.spool.release(
        BootReceipt(boot, contiguous, max(highest, contiguous), tuple(gaps))
    )


def reopen(outbox: Outbox, folder: Path, max_bytes: int = 100_000_000) -> Outbox:
    outbox.spool.close()
    return open_outbox(folder, max_bytes)


def picture_files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "spool" / "pictures").iterdir())


def test_sequences_count_from_one_in_each_boot(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    assert [post_event(outbox), post_summary(outbox), post_event(outbox)] == [1, 2, 3]
    first = outbox.spool.boot_id
    outbox = reopen(outbox, tmp_path)
    assert outbox.spool.boot_id != first
    assert post_event(outbox) == 1
    assert {(row.boot_id, row.sequence) for row in take(outbox)} == {
        (first, 1), (first, 2), (first, 3), (outbox.spool.boot_id, 1),
    }  # fmt: skip


def test_a_failed_append_uses_no_sequence(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)

    def fail(sequence: int) -> tuple[str, bytes]:
        raise RuntimeError("no message")

    with pytest.raises(RuntimeError, match="no message"):
        outbox.spool.append("event", fail)
    assert post_event(outbox) == 1


def test_events_leave_before_pictures_and_a_live_one_before_the_backlog(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    for _ in range(40):
        post_event(outbox, b"x" * 100)
    first = take(outbox, 4)
    assert [(row.part, row.sequence) for row in first] == [(0, 40), (0, 1), (0, 2), (0, 3)]
    rest = take(outbox, 1000)
    assert [row.part for row in rest] == [0] * 36 + [1] * 40


def test_a_take_is_bounded_in_bytes_but_gives_one_row(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    for _ in range(3):
        post_event(outbox)
    assert len(outbox.spool.take(10, 1, 0)) == 1
    assert len(outbox.spool.take(10, 10_000_000, 0)) == 2


def test_only_what_was_sent_whole_is_released(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    post_event(outbox, b"x")
    post_event(outbox)
    outbox.spool.take(2, 1_000_000, 0)  # both events, no picture yet
    assert receive(outbox, 2) == 1
    assert outbox.spool.backlog() == 1
    assert [row.part for row in take(outbox)] == [1]
    assert receive(outbox, 2) == 2
    assert outbox.spool.backlog() == 0
    assert picture_files(tmp_path) == []


def test_forged_and_replayed_receipts_delete_nothing(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    for _ in range(5):
        post_event(outbox)
    with pytest.raises(ValueError, match="only 0 were sent"):
        receive(outbox, 5)
    take(outbox, 3)
    post_event(outbox)
    for forged in (BootReceipt(outbox.spool.boot_id, 10**12, 10**12),
                   BootReceipt(outbox.spool.boot_id, 3, 2),
                   BootReceipt(outbox.spool.boot_id, -1, 0),
                   BootReceipt(outbox.spool.boot_id, 0, 3, ((2, 1),)),
                   BootReceipt(outbox.spool.boot_id, 0, 3, ((2, 3), (1, 1)))):  # fmt: skip
        with pytest.raises(ValueError):
            outbox.spool.release(forged)
    assert outbox.spool.release(BootReceipt("another boot", 5, 5)) == 0
    assert outbox.spool.backlog() == 6
    assert receive(outbox, 1) == 1
    assert receive(outbox, 1) == 0
    assert outbox.spool.backlog() == 5


def test_gaps_stay(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    for _ in range(10):
        post_event(outbox)
    take(outbox)
    assert receive(outbox, 2, 9, (3, 4), (6, 8)) == 4
    outbox.spool.send_again(take(outbox, overdue=10))
    for _ in range(OVERDUE_ROUNDS):
        outbox.spool.next_round()
    assert [row.sequence for row in take(outbox, overdue=10)] == [3, 4, 6, 7, 8, 10]


NUMBER = st.integers(0, 30)


@given(NUMBER, NUMBER, st.lists(st.tuples(NUMBER, NUMBER)))
def test_a_receipt_covers_what_its_words_say(
    contiguous: int, highest: int, gaps: list[tuple[int, int]]
) -> None:
    receipt = BootReceipt("b", contiguous, highest, tuple(gaps))
    try:
        found = {n for first, last in covered(receipt) for n in range(first, last + 1)}
    except ValueError:
        return
    missing = {n for first, last in gaps for n in range(first, last + 1)}
    assert found == set(range(1, highest + 1)) - missing
    assert set(range(1, contiguous + 1)) <= found


@given(st.sets(st.integers(1, 40)))
def test_merged_ranges_hold_the_same_numbers(numbers: set[int]) -> None:
    ranges = merge((n, n) for n in numbers)
    assert {n for first, last in ranges for n in range(first, last + 1)} == numbers
    assert all(a[1] + 1 < b[0] for a, b in pairwise(ranges))


def test_what_brings_no_receipt_is_due_again(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    for _ in range(3):
        post_event(outbox)
    assert len(take(outbox)) == 3
    for _ in range(OVERDUE_ROUNDS):
        assert take(outbox, overdue=10) == []
        outbox.spool.next_round()
    assert [row.sequence for row in take(outbox, overdue=2)] == [1, 2]
    outbox = reopen(outbox, tmp_path)
    assert [row.sequence for row in take(outbox, overdue=10)] == [3, 1, 2]


def test_an_undelivered_row_is_due_at_once_and_counts_as_sent(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    post_event(outbox)
    outbox.spool.send_again(take(outbox))
    assert len(take(outbox)) == 1
    outbox.spool.send_again(take(outbox))
    assert receive(outbox, 1) == 1


def test_without_receipts_an_event_goes_with_its_picture(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    post_event(outbox, b"x")
    event, picture = take(outbox)
    outbox.spool.release_row(event)
    assert outbox.spool.backlog() == 1
    outbox.spool.release_row(picture)
    assert outbox.spool.backlog() == 0
    assert picture_files(tmp_path) == []


def test_quota_takes_pictures_first_then_events_and_never_alarms(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, 40_000)
    post_alarm(outbox)
    post_event(outbox, b"a" * 9000)
    sent = take(outbox)
    for _ in range(9):
        post_event(outbox, b"b" * 9000)
    assert len(picture_files(tmp_path)) == 3
    again = [row for row in take(outbox) if row.sequence == 2]
    assert [row.kind for row in sent] == ["event", "alarm", "image"] or len(sent) == 3
    assert decode(again[0].payload, Event).image is None
    assert decode(again[0].payload, Event).image_dropped == "quota"
    for _ in range(60):
        post_event(outbox)
        post_summary(outbox)
    rows = take(outbox, overdue=1000)
    reports = [decode(row.payload, Dropped) for row in rows if row.kind == "dropped"]
    reported = {n for r in reports for first, last in r.sequences for n in range(first, last + 1)}
    kept = {row.sequence for row in rows if row.part == 0} | {
        row.sequence for row in sent if row.kind == "alarm"
    }
    assert reported
    assert not reported & kept
    outbox.spool.next_round()
    losses = outbox.spool.losses()
    assert losses == {"image/quota": 10, "event/quota": len(reported)}
    produced = set(range(1, outbox.spool.produced() + 1))
    assert produced == reported | {row.sequence for row in _everything(outbox)}
    kinds = [row.kind for row in _everything(outbox)]
    assert (kinds.count("alarm"), kinds.count("summary")) == (1, 60)


def _everything(outbox: Outbox) -> list[Row]:
    for _ in range(OVERDUE_ROUNDS):
        outbox.spool.next_round()
    return [row for row in take(outbox, overdue=10_000) if row.part == 0]


def test_events_that_say_what_others_say_go_first(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, 30_000)
    for _ in range(40):
        for stream in "abc":
            post_event(outbox, stream=stream)
    rows = _everything(outbox)
    kept = {row.sequence for row in rows if row.kind == "event"}
    assert {1, 2, 3} <= kept
    reports = [decode(row.payload, Dropped) for row in rows if row.kind == "dropped"]
    gists = sum((Counter(report.gist) for report in reports), Counter[str]())
    assert set(gists) == {"a/review/", "b/review/", "c/review/"}
    assert sum(gists.values()) == 120 - len(kept)
    assert reports[0].first_wall_time == reports[0].last_wall_time == "2026-01-01T00:00:00.000Z"


def test_a_receipt_may_cover_what_was_reported_lost(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    post_event(outbox)
    (sent,) = take(outbox)
    for _ in range(2):
        post_event(outbox)
    outbox.spool.give_up(sent._replace(sequence=3), "test")
    boot = outbox.spool.boot_id
    assert outbox.spool.release(BootReceipt(boot, 1, 3, ((2, 2),))) == 1
    assert outbox.spool.release(BootReceipt(boot, 3, 3)) == 0  # 2 has not left: it stays
    assert outbox.spool.backlog() == 2


def test_a_receipt_may_cover_what_a_rescue_reported(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    for _ in range(5):
        post_event(outbox)
    boot = outbox.spool.boot_id
    with outbox.spool._database.transaction() as db:
        db.execute("DELETE FROM message WHERE sequence > 2")
        db.execute("DELETE FROM boot")
    make_future(tmp_path)
    outbox = reopen(outbox, tmp_path)
    rows = take(outbox)
    (report,) = [decode(row.payload, Dropped) for row in rows if row.kind == "dropped"]
    ((first, last),) = report.sequences
    assert (report.of_boot, first) == (boot, 3)
    assert outbox.spool.release(BootReceipt(boot, last, last)) == 2


def test_losses_survive_a_restart(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, 3000)
    post_event(outbox, b"x" * 5000)
    outbox = reopen(outbox, tmp_path)
    assert outbox.spool.losses() == {"image/quota": 1}


def test_only_the_newest_alarm_is_retained(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    post_alarm(outbox, "raised")
    post_alarm(outbox, "cleared")
    retained = {decode(row.payload, Alarm).state: row.retain for row in take(outbox)}
    assert retained == {"raised": False, "cleared": True}
    outbox = reopen(outbox, tmp_path)
    assert [decode(payload, Alarm).state for payload in outbox.spool.alarms()] == ["cleared"]


def test_orphans_are_swept_at_the_start(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    post_event(outbox, b"x")
    (tmp_path / "spool" / "pictures" / "orphan.jpg").write_bytes(b"x")
    outbox = reopen(outbox, tmp_path)
    assert len(picture_files(tmp_path)) == 1


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    with pytest.raises(StoreError, match="in use by another process"):
        open_outbox(tmp_path)
    outbox.spool.close()


@pytest.mark.parametrize("damage", ["torn", "flipped header", "not a database", "future"])
def test_a_damaged_spool_is_set_aside_and_work_goes_on(tmp_path: Path, damage: str) -> None:
    outbox = open_outbox(tmp_path)
    for _ in range(50):
        post_event(outbox, b"x" * 50)
    outbox.spool.close()
    path = tmp_path / "spool" / "spool.sqlite"
    content = bytearray(path.read_bytes())
    if damage == "torn":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped header":
        content[20] ^= 0xFF
        path.write_bytes(content)
    elif damage == "not a database":
        path.write_bytes(b"\xff" * 8192)
    else:
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA user_version=99")
        database.close()
    boot = outbox.spool.boot_id
    outbox = open_outbox(tmp_path)
    assert outbox.spool.boot_id != boot
    assert post_event(outbox, b"x") is not None
    assert outbox.spool.set_aside is not None
    assert "set aside" in outbox.causes[0]
    assert (outbox.spool.set_aside / "spool.sqlite").stat().st_size > 0
    assert account(outbox, boot) >= set(range(1, 51))
    assert outbox.spool.losses()["spool/damaged"] == 1


def account(outbox: Outbox, boot: str) -> set[int]:
    """Return the sequences of a boot that are in the spool, or named in a report in it."""
    rows = [row for row in _everything(outbox) if row.part == 0]
    known = {row.sequence for row in rows if row.boot_id == boot}
    for report in (decode(row.payload, Dropped) for row in rows if row.kind == "dropped"):
        if report.of_boot == boot:
            known |= {n for first, last in report.sequences for n in range(first, last + 1)}
    return known


def test_all_that_is_whole_in_a_damaged_spool_is_sent_on(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    for _ in range(20):
        post_event(outbox, b"x" * 50)
    post_alarm(outbox)
    good = {(row.sequence, row.part): row.payload for row in take(outbox)}
    boot = outbox.spool.boot_id
    with outbox.spool._database.transaction() as db:
        db.execute("UPDATE message SET payload=x'00' WHERE sequence=7 AND part=0")
    (tmp_path / "spool" / "pictures" / f"{boot}-9.jpg").unlink()
    make_future(tmp_path)
    outbox = reopen(outbox, tmp_path)
    rows = take(outbox)
    found = {(row.sequence, row.part): row for row in rows if row.boot_id == boot}
    assert set(good) - set(found) == {(7, 0), (7, 1), (9, 1)}
    assert all(good[key] == row.payload for key, row in found.items() if key != (9, 0))
    assert decode(found[9, 0].payload, Event).image_dropped == "damaged"
    (report,) = [decode(row.payload, Dropped) for row in rows if row.kind == "dropped"]
    assert (report.of_boot, report.kind, report.cause) == (boot, "unknown", "damaged spool")
    assert report.sequences == ((7, 7),)
    assert len(outbox.spool.alarms()) == 1
    assert outbox.spool.release(BootReceipt(boot, 21, 21)) == 38


def test_a_rescue_that_finds_the_disk_full_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = open_outbox(tmp_path)
    for _ in range(20):
        post_event(outbox, b"x" * 50)
    boot = outbox.spool.boot_id
    outbox.spool.close()
    make_future(tmp_path)
    failures = [FullError("full"), FullError("full")]

    def reluctant(*arguments: Any) -> None:
        rescue.rescue(*arguments)
        if failures:
            raise failures.pop()

    monkeypatch.setattr("edge_guard.publish.spool.rescue", reluctant)
    outbox = open_outbox(tmp_path)
    rows = take(outbox)
    assert present(rows, boot) == set(range(1, 21))
    assert not [row for row in rows if row.kind == "dropped"]
    assert len(picture_files(tmp_path)) == 20


def test_a_rescue_that_a_power_cut_ends_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = open_outbox(tmp_path)
    for _ in range(20):
        post_event(outbox, b"x" * 50)
    boot = outbox.spool.boot_id
    outbox.spool.close()
    make_future(tmp_path)

    def cut(*arguments: Any) -> None:
        rescue.rescue(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("edge_guard.publish.spool.rescue", cut)
        with pytest.raises(KeyboardInterrupt):
            open_outbox(tmp_path)
    later = tmp_path / "later"  # the process that was cut off still holds the lock of the other
    shutil.copytree(tmp_path / "spool", later / "spool")
    outbox = open_outbox(later)
    rows = take(outbox)
    assert present(rows, boot) == set(range(1, 21))
    assert "set aside" in outbox.causes[0]
    outbox = reopen(outbox, later)
    assert outbox.causes == ()


def test_a_power_cut_just_after_a_rescue_makes_no_losses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = open_outbox(tmp_path)
    for _ in range(20):
        post_event(outbox, b"x" * 50)
    outbox.spool.close()
    make_future(tmp_path)

    def cut(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("edge_guard.publish.database.Database.rescued", cut)
        with pytest.raises(KeyboardInterrupt):
            open_outbox(tmp_path)
    later = tmp_path / "later"
    shutil.copytree(tmp_path / "spool", later / "spool")
    survivor = open_outbox(later)
    rows = take(survivor)
    assert present(rows, outbox.spool.boot_id) == set(range(1, 21))
    assert not [row for row in rows if row.kind == "dropped"]
    assert survivor.spool.losses() == {"spool/damaged": 1}


def test_a_message_in_two_wrecks_is_not_reported_lost(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    for _ in range(3):
        post_event(outbox)
    outbox.spool.close()
    make_future(tmp_path)
    for number in "12":
        wreck = tmp_path / "spool" / f"wreck-{number}"
        wreck.mkdir()
        shutil.copy(tmp_path / "spool" / "spool.sqlite", wreck)
    (tmp_path / "spool" / "spool.sqlite").unlink()
    survivor = open_outbox(tmp_path)
    assert [row.kind for row in take(survivor)] == ["event"] * 3


def test_a_wreck_that_nothing_was_moved_to_makes_no_losses(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    post_event(outbox)
    outbox.spool.close()
    (tmp_path / "spool" / "wreck-1").mkdir()
    survivor = open_outbox(tmp_path)
    assert [row.kind for row in take(survivor)] == ["event"]
    assert survivor.spool.losses() == {}


def make_future(folder: Path) -> None:
    """Give a spool a version that nobody can read yet."""
    with sqlite3.connect(folder / "spool" / "spool.sqlite") as future:
        future.execute("PRAGMA user_version=99")
    future.close()


def present(rows: list[Row], boot: str) -> set[int]:
    return {row.sequence for row in rows if row.part == 1 and row.boot_id == boot}


def test_damage_at_work_is_survived_too(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    for _ in range(50):
        post_event(outbox, b"x" * 50)
    boot = outbox.spool.boot_id
    damage_at_work(outbox, tmp_path)
    assert post_alarm(outbox) is not None
    assert account(outbox, boot) >= set(range(1, 51))


def test_damage_on_a_full_disk_is_survived_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = open_outbox(tmp_path)
    for _ in range(50):
        post_event(outbox)
    boot = outbox.spool.boot_id
    damage_at_work(outbox, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(database, "_PRAGMAS", (*database._PRAGMAS, "max_page_count=1"))
        for _ in range(2):
            assert post_alarm(outbox) is None
            assert "disk is full" in outbox.causes[0]
    assert post_event(outbox) is not None
    assert account(outbox, boot) >= set(range(1, 51))
    assert [row.kind for row in _everything(outbox)].count("alarm") == 2
    assert len(list((tmp_path / "spool").glob("damaged-*"))) == 1


def test_damage_that_cannot_be_set_aside_is_survived_once_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = open_outbox(tmp_path)
    for _ in range(50):
        post_event(outbox)
    boot = outbox.spool.boot_id
    damage_at_work(outbox, tmp_path)

    def refuse(*_arguments: Any, **_settings: Any) -> None:
        assert (tmp_path / "spool" / "reserve").stat().st_size == 0
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        assert post_alarm(outbox) is None
    assert post_event(outbox) is not None
    assert account(outbox, boot) >= set(range(1, 51))
    assert [row.kind for row in _everything(outbox)].count("alarm") == 1


def damage_at_work(outbox: Outbox, folder: Path) -> None:
    """Overwrite all but the first page of a spool that is open."""
    outbox.spool._database.checkpoint()
    path = folder / "spool" / "spool.sqlite"
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    outbox.spool._database._connection.execute("PRAGMA cache_size=0")
    outbox.spool._database._connection.execute("PRAGMA shrink_memory")


def test_a_flipped_byte_anywhere_never_sends_a_wrong_message(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    for _ in range(20):
        post_event(outbox, b"x" * 50)
    boot = outbox.spool.boot_id
    good = {(row.sequence, row.part): row.payload for row in take(outbox)}
    outbox.spool.close()
    whole = tmp_path / "whole"
    shutil.copytree(tmp_path / "spool", whole)
    content = (whole / "spool.sqlite").read_bytes()
    for position in range(0, len(content), max(1, len(content) // 40)):
        shutil.rmtree(tmp_path / "spool")
        shutil.copytree(whole, tmp_path / "spool")
        flipped = bytearray(content)
        flipped[position] ^= 0x10
        (tmp_path / "spool" / "spool.sqlite").write_bytes(flipped)
        outbox = open_outbox(tmp_path)
        rows = take(outbox, overdue=1000)
        for row in rows:
            lost = row.kind == "event" and decode(row.payload, Event).image_dropped
            assert row.boot_id != boot or lost or good[row.sequence, row.part] == row.payload
        assert account(outbox, boot) >= set(range(1, 21))
        assert post_event(outbox) is not None
        outbox.spool.close()


def test_damaged_rows_are_reported(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    for _ in range(3):
        post_event(outbox, b"x" * 50)
    with outbox.spool._database.transaction() as db:
        db.execute("UPDATE message SET payload=x'00' WHERE sequence=2 AND part=0")
    pictures = tmp_path / "spool" / "pictures"
    (pictures / f"{outbox.spool.boot_id}-1.jpg").write_bytes(b"y" * 50)
    (pictures / f"{outbox.spool.boot_id}-3.jpg").unlink()
    take(outbox)
    rows = take(outbox)
    events = [decode(row.payload, Event) for row in rows if row.kind == "event"]
    assert {(event.sequence, event.image_dropped) for event in events} == {
        (1, "damaged"), (3, "damaged"),
    }  # fmt: skip
    (report,) = [decode(row.payload, Dropped) for row in rows if row.kind == "dropped"]
    assert (report.kind, report.cause, report.sequences) == ("event", "damaged", ((2, 2),))
    assert outbox.spool.losses() == {"event/damaged": 1, "image/damaged": 2}


def test_a_full_disk_takes_events_and_never_alarms(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    for _ in range(60):
        post_event(outbox)
    limit_pages(outbox, 0)
    assert [post_alarm(outbox) for _ in range(30)].count(None) == 0
    assert ["disk is full" in cause for cause in outbox.causes] == [True]
    rows = _everything(outbox)
    reports = [decode(row.payload, Dropped) for row in rows if row.kind == "dropped"]
    lost = {n for report in reports for a, b in report.sequences for n in range(a, b + 1)}
    assert lost
    assert {report.cause for report in reports} == {"disk full"}
    assert sum(report.gist["s/review/"] for report in reports) == len(lost)
    kept = {row.sequence for row in rows}
    assert lost | kept == set(range(1, outbox.spool.produced() + 1))
    assert not lost & kept


def test_alarms_wait_in_memory_when_nothing_can_be_given_up(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    limit_pages(outbox, 0)
    alarms = [post_alarm(outbox) for _ in range(60)]
    assert None in alarms
    assert "full" in outbox.causes[0]
    refused = [post_event(outbox) for _ in range(10)].count(None)
    assert refused
    limit_pages(outbox, 10_000)
    assert post_event(outbox) is not None
    assert outbox.spool.losses() == {"event/disk": refused}
    kinds = [row.kind for row in _everything(outbox)]
    assert kinds.count("alarm") == 60
    assert kinds.count("event") == 11 - refused


def test_alarms_keep_their_order_when_the_disk_takes_some_again(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    raised = post_alarm(outbox, "raised")
    limit_pages(outbox, 0)
    while raised is not None:
        raised = post_alarm(outbox, "raised")
    limit_pages(outbox, 10_000)
    assert post_alarm(outbox, "cleared") == outbox.spool.produced()
    rows = sorted(_everything(outbox), key=lambda row: row.sequence)
    states = [decode(row.payload, Alarm).state for row in rows]
    assert states == ["raised"] * (len(states) - 1) + ["cleared"]
    assert [decode(payload, Alarm).state for payload in outbox.spool.alarms()] == ["cleared"]


def limit_pages(outbox: Outbox, more: int) -> None:
    connection = outbox.spool._database._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={pages + more}")


def test_a_picture_that_the_disk_refuses_leaves_its_event(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    pictures = tmp_path / "spool" / "pictures"
    pictures.rmdir()
    pictures.symlink_to("/dev/null")
    post_event(outbox, b"x")
    (row,) = take(outbox)
    assert decode(row.payload, Event).image_dropped == "disk"
    assert outbox.spool.losses() == {"image/disk": 1}


def test_the_folder_must_be_writable(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file")
    with pytest.raises(StoreError, match="cannot be used"):
        open_outbox(tmp_path)
