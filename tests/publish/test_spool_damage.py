"""The spool alone, damaged: set aside, looked through, reported."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from devices import open_outbox, post_alarm, post_event
from spooling import everything, make_future, picture_files, reopen, take

from edge_guard.publish import database, rescue
from edge_guard.publish.database import FullError
from edge_guard.publish.messages import BootReceipt, Dropped, Event, decode
from edge_guard.publish.outbox import Outbox
from edge_guard.publish.rows import Row


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
    rows = [row for row in everything(outbox) if row.part == 0]
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
    assert [row.kind for row in everything(outbox)].count("alarm") == 2
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
    assert [row.kind for row in everything(outbox)].count("alarm") == 1


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
