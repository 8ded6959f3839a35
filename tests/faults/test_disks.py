"""Disks that are full, lose what was not synced, or flip bits."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from accounts import Produced, account, note
from brokers import Mosquitto
from core import Core
from devices import open_outbox, post_alarm, post_event, post_summary
from power import Disk, build, lay_out, read, spread
from resender import wait_until
from sender import post, publisher

from edge_guard.config import MqttTable
from edge_guard.publish.messages import Dropped, Event, decode
from edge_guard.publish.outbox import Outbox
from edge_guard.publish.rows import OVERDUE_ROUNDS, Row

HERE = Path(__file__).parent
Times = Callable[[int, int], int]
JPEG = b"\xff\xd8\xff"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("foreign", [False, True], ids=["its own", "somebody else's"])
def test_a_file_system_of_2_mb_fills_up(
    small_disk: Path, broker: Mosquitto, tmp_path: Path, times: Times, foreign: bool
) -> None:
    """With its own messages, or with a file of somebody else that takes all that is left."""
    repetitions = times(2, 10)
    produced, outbox = Produced(), open_outbox(small_disk)
    running = publisher(outbox, broker.port)
    for _ in range(repetitions):
        for number in range(150):
            if foreign and number == 60:
                fill(small_disk / "foreign")
            post(outbox, number, produced, JPEG + os.urandom(20_000))
        assert any("disk is full" in cause for cause in outbox.causes)
    with Core(tmp_path, MqttTable(host="127.0.0.1", port=broker.port)):
        (small_disk / "foreign").unlink(missing_ok=True)
        running.start()
        assert post_summary(outbox) is not None
        wait_until(lambda: outbox.spool.backlog() == 0, 60)
        running.stop(0.0)
    by_cause = outbox.losses()
    whose = "somebody else's files" if foreign else "its own messages"
    remark = ", ".join(f"{n} {cause}" for cause, n in sorted(by_cause.items()))
    books = account(f"2 MB disk full of {whose}", repetitions, produced, tmp_path, remark)
    assert by_cause["image/disk full"]
    assert sum(map(len, books.given_up.values())) == by_cause.get("event/disk full", 0)
    assert by_cause.get("event/disk", 0) == produced.refused
    outbox.spool.close()


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (65_536, 4096, 512):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


WRITER = """
import sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
import json, os, struct
from accounts import Produced
from devices import open_outbox
from sender import post
from edge_guard.publish.messages import BootReceipt
folder = Path(sys.argv[1])
outbox = open_outbox(folder, 40_000)
log = os.open(os.environ["EG_TRACE_LOG"], os.O_WRONLY | os.O_APPEND)
def mark(word):
    data = json.dumps(word).encode()
    os.writev(log, [struct.pack("<cIIIq", b"M", 0, 0, len(data), 0), data])
mark([outbox.spool.boot_id, 0, "boot"])
for number in range(40):
    kind, sequence = post(outbox, number, Produced(), b"p" * 1500)
    mark([outbox.spool.boot_id, sequence, kind])
    if number == 20:
        outbox.spool.take(12, 10**6, 0)
        mark([outbox.spool.boot_id, 2, "released"])
        outbox.spool.release(BootReceipt(outbox.spool.boot_id, 2, 2))
"""


def test_every_prefix_of_the_write_trace(tmp_path: Path, times: Times) -> None:
    """What was said to be on the disk is there whenever the power goes, or its loss is reported."""
    shim = build(tmp_path)
    if shim is None:
        pytest.skip("there is no C compiler")
    origin, log = tmp_path / "device", tmp_path / "trace"
    origin.mkdir()
    log.touch()
    environment = os.environ | {
        "LD_PRELOAD": str(shim),
        "EG_TRACE_FOLDER": str(origin),
        "EG_TRACE_LOG": str(log),
    }
    paths = [str(HERE), str(HERE.parent)]
    command = [sys.executable, "-c", WRITER, str(origin), *paths]
    subprocess.run(command, env=environment, check=True, timeout=60)
    trace = read(log)
    assert sum(write.op == "S" for write in trace) > 40
    points = set(spread(len(trace), times(40, 10_000)))
    disk, chance, said, released, n = Disk(), random.Random(3), Produced(), 0, 0
    kept = reported = 0
    for position, write in enumerate(trace):
        if position in points:
            for mercy in ("nothing", "everything", "a part"):
                lay_out(disk.after_a_cut(mercy, chance), origin, tmp_path / "again")
                found = check_after_cut(tmp_path / "again", said, released)
                kept, reported, n = kept + found[0], reported + found[1], n + 1
        if write.op == "M":
            boot, sequence, kind = json.loads(write.data)
            released = sequence if kind == "released" else released
            if kind not in ("boot", "released"):
                said.note(boot, sequence, kind)
        disk.apply(write)
    syncs = sum(write.op == "S" for write in trace)
    remark = f"{len(trace)} writes, {syncs} syncs; stored: still on the disk"
    note("power cut in the spool's write trace", n, remark, kept=kept, reported=reported)


def check_after_cut(folder: Path, said: Produced, released: int) -> tuple[int, int]:
    """Return how many messages are still there, and how many are reported lost."""
    n_kept = n_reported = 0
    outbox = open_outbox(folder)
    try:
        rows = everything(outbox)
        for boot, last in said.last.items():
            kept, reported = present(rows, boot), lost(rows, boot)
            missing = set(range(released + 1, last + 1)) - kept - reported
            assert not missing, f"{missing} of {last}"
            assert said.precious[boot] - set(range(1, released + 1)) <= kept
            check_pictures(rows, boot)
            n_kept, n_reported = n_kept + len(kept), n_reported + len(reported)
        assert outbox.spool.set_aside is None
        return n_kept, n_reported
    finally:
        outbox.spool.close()


def everything(outbox: Outbox) -> list[Row]:
    """Return all rows that would ever be sent."""
    rows: dict[int, Row] = {}
    for _ in range(2):
        for _ in range(OVERDUE_ROUNDS):
            outbox.spool.next_round()
        rows |= {row.id: row for row in outbox.spool.take(100_000, 10**9, 100_000)}
    return list(rows.values())


def present(rows: list[Row], boot: str) -> set[int]:
    return {row.sequence for row in rows if row.part == 0 and row.boot_id == boot}


def lost(rows: list[Row], boot: str) -> set[int]:
    reports = [decode(row.payload, Dropped) for row in rows if row.kind == "dropped"]
    ranges = [one for report in reports if report.of_boot == boot for one in report.sequences]
    return {n for first, last in ranges for n in range(first, last + 1)}


def check_pictures(rows: list[Row], boot: str) -> None:
    """An event has the picture that it announces."""
    pictures = {row.sequence for row in rows if row.part == 1 and row.boot_id == boot}
    for row in rows:
        if row.kind == "event" and row.boot_id == boot:
            event = decode(row.payload, Event)
            assert (event.image is not None) == (row.sequence in pictures), event


def test_flipped_and_truncated_spools(tmp_path: Path, times: Times) -> None:
    """Every sequence is sent on whole, or named as possibly lost; work goes on."""
    repetitions = times(25, 200)
    good, chance, produced = tmp_path / "good", random.Random(4), Produced()
    outbox = open_outbox(good)
    for number in range(80):
        post(outbox, number, produced, b"p" * 500)
    boot = outbox.spool.boot_id
    payloads = {(row.sequence, row.part): row.payload for row in outbox.spool.take(500, 10**9, 0)}
    outbox.spool.close()
    aside = rescued = n_lost = 0
    for repetition in range(repetitions):
        folder = tmp_path / "bad"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(good, folder)
        damage(folder / "spool" / "spool.sqlite", chance, repetition)
        outbox = open_outbox(folder)
        assert post_alarm(outbox) is not None
        assert post_event(outbox, b"x") is not None
        rows = everything(outbox)
        assert post_alarm(outbox) is not None
        kept, reported = present(rows, boot), lost(rows, boot)
        assert set(range(1, 81)) <= kept | reported, repetition
        for row in rows:
            rewritten = row.kind == "event" and decode(row.payload, Event).image_dropped
            if row.boot_id == boot and not rewritten:
                assert payloads[row.sequence, row.part] == row.payload
        check_pictures(rows, boot)
        aside += outbox.spool.set_aside is not None
        rescued, n_lost = rescued + len(kept), n_lost + 80 - len(kept)
        outbox.spool.close()
    remark = f"{aside} set aside; stored: sent on whole"
    note("flipped or truncated spool", repetitions, remark, kept=rescued, reported=n_lost)


def damage(path: Path, chance: random.Random, repetition: int) -> None:
    content = bytearray(path.read_bytes())
    if repetition % 4 == 0:
        del content[chance.randrange(len(content)) :]
    else:
        for _ in range(1 if repetition % 4 == 1 else 30):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
