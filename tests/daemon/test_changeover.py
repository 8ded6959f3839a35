"""Which product a frame shows: by the time of the week, by somebody's word, by its part id."""

from __future__ import annotations

import os
import random
import time
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest

from edge_guard.changeover import Changeover, Order, order_path, order_product
from edge_guard.cli.main import main
from edge_guard.config import ProductTable, StreamTable, find_problems
from edge_guard.config.times import DAY_MINUTES, DAYS, minutes_of_week
from edge_guard.errors import ConfigError, StoreError
from edge_guard.timetable import Timetable
from edge_guard.types import Frame

MONDAY = datetime(2026, 11, 23)
PICTURE = np.zeros((16, 16), np.uint8)


def products(**times: tuple[str, ...]) -> tuple[ProductTable, ...]:
    return tuple(ProductTable(name=n, bundle="x", times=t) for n, t in times.items())


def stream(*tables: ProductTable) -> StreamTable:
    return StreamTable(name="s", source="x", product=tables)


def frame(captured: datetime | None = None, monotonic_ns: int = 0) -> Frame:
    wall_ns = int(captured.timestamp() * 1e9) if captured else 0
    return Frame("s", 0, PICTURE, wall_ns, monotonic_ns)


@pytest.mark.parametrize(
    ("text", "days", "minute"),
    [
        ("06:00", range(7), 360),
        ("mon-fri 14:30", range(5), 870),
        ("sat,sun 00:00", (5, 6), 0),
        ("fri-mon 23:59", (0, 4, 5, 6), 1439),
        ("tue,thu-thu,sun 01:02", (1, 3, 6), 62),
    ],
)
def test_times_of_the_week_are_read_as_people_write_them(text, days, minute):
    assert minutes_of_week(text) == tuple(day * DAY_MINUTES + minute for day in days)


def test_every_minute_of_random_weeks_has_the_product_that_began_last():
    rng = random.Random(5)
    for _ in range(20):
        times = {
            name: tuple(
                f"{rng.choice(DAYS)} {rng.randrange(24):02}:{rng.randrange(60):02}"
                for _ in range(rng.randint(1, 4))
            )
            for name in "abc"
        }
        table = Timetable(products(**times))
        starts = {}
        for name in sorted(times):
            for text in times[name]:
                starts.setdefault(minutes_of_week(text)[0], name)
        if len(starts) < sum(map(len, times.values())):
            continue  # two begin at once, which the configuration's check refuses
        for minute in range(0, 7 * DAY_MINUTES, 97):
            walk = minute
            while walk % (7 * DAY_MINUTES) not in starts:  # back until something has begun
                walk -= 1
            shift = table.at_local(MONDAY + timedelta(minutes=minute, seconds=59))
            assert shift.product == starts[walk % (7 * DAY_MINUTES)]
            assert shift.began == MONDAY + timedelta(minutes=walk)


def test_a_frame_is_what_was_made_when_it_was_captured(tmp_path):
    table = stream(*products(early=("06:00",), late=("14:00",), night=("mon-fri 22:00",)))
    changeover = Changeover(table, tmp_path)
    for hours, product in (
        (5.99, "late"),
        (6, "early"),
        (13.99, "early"),
        (14, "late"),
        (23, "night"),
    ):
        assert changeover.product_of(frame(MONDAY + timedelta(hours=hours))) == product
    saturday_night = MONDAY + timedelta(days=5, hours=23)
    assert changeover.product_of(frame(saturday_night)) == "late"


def test_the_clock_on_the_wall_counts_where_summer_time_begins_and_ends(monkeypatch):
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        table = Timetable(products(night=("22:00",), early=("06:00",)))
        for day in ("2026-03-29", "2026-10-25"):
            for hour, product in (("05:59", "night"), ("06:00", "early")):
                local = datetime.fromisoformat(f"{day} {hour}")
                assert table.at(int(local.timestamp() * 1e9)).product == product
        twice = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 02:30 comes an hour later again
        shifts = {table.at(int((twice + timedelta(hours=h)).timestamp() * 1e9)) for h in (0, 1)}
        assert len(shifts) == 1
    finally:
        monkeypatch.undo()
        time.tzset()


def test_somebodys_word_counts_for_what_is_captured_after_it(tmp_path):
    table = stream(*products(a=(), b=(), c=()))
    changeover = Changeover(table, tmp_path)
    moments = [time.monotonic_ns()]
    for product in ("b", "c", "a"):
        order_product(table, tmp_path, product)
        moments.append(time.monotonic_ns())
        changeover.refresh()
    seen = [changeover.product_of(frame(monotonic_ns=moment)) for moment in moments]
    assert seen == ["a", "b", "c", "a"]
    assert changeover.now() == "a"
    order_product(table, tmp_path, "c")
    again = Changeover(table, tmp_path)  # a restart: even what was captured before is a new frame
    assert again.product_of(frame(monotonic_ns=moments[0])) == again.now() == "c"


def test_somebodys_word_holds_until_the_next_shift(tmp_path):
    table = stream(*products(early=("06:00",), late=("14:00",), trial=()))
    noon = MONDAY + timedelta(hours=12)
    path = order_path(tmp_path, "s")
    path.write_bytes(msgspec.json.encode(Order("trial", int(noon.timestamp() * 1e9), 1)))
    changeover = Changeover(table, tmp_path)

    def at(hours: float) -> str | None:
        return changeover.product_of(frame(MONDAY + timedelta(hours=hours), monotonic_ns=9))

    assert [at(h) for h in (12, 13.99, 14, 30, 36)] == ["trial", "trial", "late", "early", "early"]


def test_part_ids_choose_the_first_product_whose_pattern_fits(tmp_path):
    table = stream(
        ProductTable(name="a", bundle="x", parts=("A-*", "B-1?")),
        ProductTable(name="b", bundle="x", parts=("B-*",)),
    )
    changeover = Changeover(table, tmp_path)
    known = {"A-7": "a", "B-17": "a", "B-170": "b", "a-7": None, "": None, "C": None, "A-\n": "a"}
    for part, product in known.items():
        assert changeover.product_of(Frame("s", 0, PICTURE, part_id=part)) == product, part
    with pytest.raises(ConfigError, match="part ids say which product"):
        order_product(table, tmp_path, "b")


@pytest.mark.parametrize("content", [b"", b"{", b'{"product": "b"}', b"\xff" * 9000, b"[]"])
def test_a_damaged_word_changes_nothing(tmp_path, content):
    table = stream(*products(a=(), b=()))
    order_path(tmp_path, "s").write_bytes(content)
    assert Changeover(table, tmp_path).now() == "a"
    order_product(table, tmp_path, "b")
    assert Changeover(table, tmp_path).now() == "b"


def test_a_disk_that_refuses_is_told(tmp_path):
    (tmp_path / "spool").write_text("a file")
    with pytest.raises(StoreError, match=r"changeover-s\.json"):
        order_product(stream(*products(a=(), b=())), tmp_path / "spool", "b")
    assert [path.name for path in tmp_path.iterdir()] == ["spool"]
    order_path(tmp_path, "s").mkdir()  # and where the file itself cannot be put in place
    with pytest.raises(StoreError, match=r"changeover-s\.json"):
        order_product(stream(*products(a=(), b=())), tmp_path, "b")
    assert {path.name for path in tmp_path.iterdir()} == {"spool", "changeover-s.json"}


def test_a_word_that_could_not_be_read_once_is_read_again_and_told_once(tmp_path, caplog):
    table = stream(*products(a=(), b=()))
    order_product(table, tmp_path, "b")
    path = order_path(tmp_path, "s")
    path.rename(tmp_path / "kept")
    path.symlink_to(tmp_path / "kept")  # what it leads to changes nothing that tells versions
    content = path.read_bytes()
    times = path.stat().st_mtime_ns
    path.write_bytes(b"{")
    os.utime(path, ns=(times, times))
    changeover = Changeover(table, tmp_path)
    changeover.refresh()
    assert changeover.now() == "a" and len(caplog.records) == 1
    path.write_bytes(content)
    os.utime(path, ns=(times, times))
    changeover.refresh()
    assert changeover.now() == "b"
    path.unlink()
    path.symlink_to(path)
    for _ in range(3):
        changeover.refresh()
    assert changeover.now() == "b" and len(caplog.records) == 2


def test_a_word_given_by_another_user_can_be_read_by_the_devices_own(tmp_path):
    before = os.umask(0o077)
    try:
        order_product(stream(*products(a=(), b=())), tmp_path, "b")
    finally:
        os.umask(before)
    assert order_path(tmp_path, "s").stat().st_mode & 0o777 == 0o644


def test_other_settings_leave_frames_that_wait_what_they_were(tmp_path):
    table = stream(*products(a=(), b=(), c=()))
    first = Changeover(table, tmp_path)
    moments = [time.monotonic_ns()]
    for product in ("b", "c"):
        order_product(table, tmp_path, product)
        first.refresh()
        moments.append(time.monotonic_ns())
    again = Changeover(table, tmp_path, first)
    assert [again.product_of(frame(monotonic_ns=n)) for n in moments] == ["a", "b", "c"]
    order_product(table, tmp_path, "a")
    again.refresh()
    assert again.product_of(frame(monotonic_ns=moments[2])) == "c" and again.now() == "a"


def test_unclear_products_are_refused_with_their_lines(tmp_path):
    (tmp_path / "x.guard").touch()
    text = """
[device]
id = "d"
[[stream]]
name = "s"
source = "0"
bundle = "x.guard"
[[stream.product]]
name = "a"
bundle = "none.guard"
parts = ["A"]
[[stream.product]]
name = "a"
bundle = "x.guard"
times = ["mon 06:00", "24:00"]
[[stream.product]]
name = "c"
bundle = "x.guard"
times = ["06:00"]
[[stream]]
name = "t"
source = "1"
"""
    path = tmp_path / "device.toml"
    path.write_text(text)
    found = {(p.line, p.key): p.reason for p in find_problems(path)}
    wrong = text.splitlines()
    assert {(wrong[line - 1], key.rpartition(".")[2]) for line, key in found} == {
        ('bundle = "x.guard"', "bundle"),
        ('bundle = "none.guard"', "bundle"),
        ('name = "a"', "name"),
        ('times = ["mon 06:00", "24:00"]', "times"),
        ("[[stream.product]]", "parts"),
        ('times = ["06:00"]', "times"),
        ("[[stream]]", "bundle"),
    }


def test_the_command_says_what_is_shown_and_changes_it(tmp_path, capsys):
    (tmp_path / "x.guard").touch()
    path = tmp_path / "device.toml"
    text = '[device]\nid = "d"\n'
    for name in "st":
        text += f'[[stream]]\nname = "{name}"\nsource = "0"\n'
        for product, more in (("a", 'times = ["06:00"]'), ("b", "")):
            text += f'[[stream.product]]\nname = "{product}"\nbundle = "x.guard"\n{more}\n'
    path.write_text(text)
    assert main(["product", str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "→ s  a: 06:00",
        "  s  b: when somebody says so",
        "→ t  a: 06:00",
        "  t  b: when somebody says so",
    ]
    assert main(["product", str(path), "b"]) == 2
    assert "several streams have products: s, t" in capsys.readouterr().err
    assert main(["product", str(path), "b", "--stream", "t"]) == 0
    assert main(["product", str(path), "c", "--stream", "t"]) == 2
    assert main(["product", str(path), "--stream", "u"]) == 2
    capsys.readouterr()
    assert main(["product", str(path), "--stream", "t"]) == 0
    assert "→ t  b: when" in capsys.readouterr().out
