"""The spool alone: durability, release, quota."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from devices import open_outbox, post_alarm, post_event, post_summary
from hypothesis import given
from hypothesis import strategies as st
from spooling import everything, make_future, picture_files, receive, reopen, take

from edge_guard.errors import StoreError
from edge_guard.publish.answers import covered
from edge_guard.publish.losses import merge
from edge_guard.publish.messages import Alarm, BootReceipt, Dropped, Event, decode
from edge_guard.publish.outbox import Outbox
from edge_guard.publish.rows import OVERDUE_ROUNDS


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
    assert produced == reported | {row.sequence for row in everything(outbox)}
    kinds = [row.kind for row in everything(outbox)]
    assert (kinds.count("alarm"), kinds.count("summary")) == (1, 60)


def test_events_that_say_what_others_say_go_first(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, 30_000)
    for _ in range(40):
        for stream in "abc":
            post_event(outbox, stream=stream)
    rows = everything(outbox)
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


def test_a_full_disk_takes_events_and_never_alarms(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    for _ in range(60):
        post_event(outbox)
    limit_pages(outbox, 0)
    assert [post_alarm(outbox) for _ in range(30)].count(None) == 0
    assert ["disk is full" in cause for cause in outbox.causes] == [True]
    rows = everything(outbox)
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
    kinds = [row.kind for row in everything(outbox)]
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
    rows = sorted(everything(outbox), key=lambda row: row.sequence)
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
