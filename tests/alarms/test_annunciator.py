"""The alarms of a device as messages on its disk: restarts, delays, what people decide."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from devices import open_outbox, post_alarm

from edge_guard.annunciator import BY_CONFIGURATION, Annunciator
from edge_guard.collector.parse import parse
from edge_guard.config import AlarmTable
from edge_guard.errors import StoreError
from edge_guard.publish.messages import PREFIX, Alarm, decode
from edge_guard.publish.outbox import Outbox


class Bench:
    """An annunciator with a clock that moves when it is told."""

    def __init__(self, outbox: Outbox, *tables: AlarmTable) -> None:
        self.now = 1000.0
        self.outbox = outbox
        self.told: list[Alarm] = []
        self.alarms = Annunciator(outbox, tables, clock=lambda: self.now)
        real = outbox.post

        def post(kind, topic, make, picture=None):  # type: ignore[no-untyped-def]
            sequence = real(kind, topic, make, picture)
            self.told.append(decode(self.newest(topic), Alarm))
            return sequence

        outbox.post = post  # type: ignore[method-assign]

    def newest(self, topic: str) -> bytes:
        payloads = self.outbox.spool.alarms()
        return next(p for p in payloads if topic.endswith(f"/{decode(p, Alarm).alarm}"))

    def report(self, holds: bool, name: str = "drift", words: str = "") -> bool:
        return self.alarms.report("s", name, holds, "cause", words or f"{name} {holds}")


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    opened = open_outbox(tmp_path)
    yield opened
    opened.spool.close()


def test_each_change_is_one_message_that_a_collector_takes(outbox: Outbox) -> None:
    bench = Bench(outbox)
    assert not bench.report(False)
    assert bench.report(True)
    assert not bench.report(True, words="not told twice")
    bench.alarms.acknowledge("s", "drift", "Ada")
    bench.alarms.shelve("s", "drift", 60.0, "Bob")
    bench.now += 60.0
    assert bench.alarms.tick()
    assert bench.report(False)
    assert [(a.state, a.isa_state, a.message) for a in bench.told] == [
        ("raised", "unacknowledged", "drift True"),
        ("raised", "acknowledged", "drift True"),
        ("raised", "shelved", "drift True"),
        ("raised", "acknowledged", "drift True"),
        ("cleared", "normal", "drift False"),
    ]
    assert {a.since_wall_time for a in bench.told} == {bench.told[0].since_wall_time}
    assert (bench.told[2].shelved_seconds, bench.told[2].shelved_by) == (60.0, "Bob")
    for row in outbox.spool.take(99, 1 << 20, 0):
        assert parse(row.topic, row.payload, PREFIX) is not None


def test_a_restart_forgets_nothing(outbox: Outbox) -> None:
    bench = Bench(outbox)
    bench.report(True)
    bench.report(True, "source")
    bench.report(True, "monitors")
    bench.alarms.acknowledge("s", "drift", "Ada")
    bench.alarms.shelve("s", "source", 3600.0, "Bob")
    bench.alarms.serve("s", "monitors", "Eve")
    incidents = {a.incident for a in bench.told}
    later = Bench(outbox)
    later.alarms.resume({"s"})
    assert later.told == []
    standing = later.alarms.standing
    assert (standing("s", "drift").isa, standing("s", "drift").acknowledged_by) == (
        "acknowledged",
        "Ada",
    )
    shelved = standing("s", "source")
    assert (shelved.isa, shelved.shelved_by) == ("shelved", "Bob")
    assert shelved.shelved_until is not None and 3590 < shelved.shelved_until - later.now <= 3600
    assert standing("s", "monitors").out_of_service_by == "Eve"
    assert later.alarms.causes("s") == ("s: drift True",)
    assert {later.alarms.incident("s", name) for name in ("drift", "source")} == incidents
    assert not later.report(True)
    later.alarms.unshelve("s", "source")
    later.alarms.serve("s", "monitors", "")
    assert [a.isa_state for a in later.told] == ["unacknowledged", "unacknowledged"]


def test_a_shelving_that_ended_meanwhile_is_over_after_the_restart(outbox: Outbox) -> None:
    bench = Bench(outbox)
    bench.report(True)
    bench.alarms.shelve("s", "drift", 1e-6, "Bob")
    later = Bench(outbox)
    later.alarms.resume({"s"})
    assert [a.isa_state for a in later.told] == ["unacknowledged"]


def test_alarms_of_older_versions_and_of_streams_that_are_gone(outbox: Outbox) -> None:
    post_alarm(outbox)  # as it was before ISA-18.2
    bench = Bench(outbox)
    bench.alarms.resume({"other"})
    bench.now += 2.0  # a camera's alarm clears late
    bench.alarms.tick()
    (told,) = bench.told
    assert (told.alarm, told.state, told.isa_state) == ("source", "cleared", "returned")
    assert told.message == "the stream is not configured any more"


def test_out_of_service_by_configuration_and_back(outbox: Outbox) -> None:
    bench = Bench(outbox, AlarmTable(name="drift", out_of_service=True))
    bench.alarms.resume({"s"})
    assert bench.told[-1].out_of_service_by == BY_CONFIGURATION
    bench.report(True)
    assert bench.told[-1].isa_state == "out-of-service" and bench.alarms.causes("s") == ()
    later = Bench(outbox)
    later.alarms.resume({"s"})
    assert later.told[-1].isa_state == "unacknowledged"


def test_delays_of_the_configuration(outbox: Outbox) -> None:
    bench = Bench(outbox, AlarmTable(name="drift", on_delay_seconds=5.0, off_delay_seconds=3.0))
    assert not bench.report(True)
    bench.now += 5.0
    assert bench.report(True)
    assert not bench.report(False)
    assert bench.alarms.causes("s") == ("s: drift True",)  # still active: not "drift False"
    assert not bench.report(True, words="again")
    assert not bench.report(False)
    bench.now += 3.0
    assert bench.alarms.tick()
    assert [a.message for a in bench.told] == ["drift True", "drift False"]


def test_an_alarm_that_comes_and_goes_says_so(outbox: Outbox) -> None:
    bench = Bench(outbox, AlarmTable(name="drift", chatter_count=3, chatter_seconds=60.0))
    for _ in range(4):
        bench.report(True)
        bench.now += 1.0
        bench.report(False)
        bench.now += 1.0
    assert [a.chattering for a in bench.told] == [False] * 4 + [True]
    assert "comes and goes: 3 times within 60 s" in bench.alarms.causes("s")[0]
    bench.now += 59.0
    assert bench.alarms.tick()
    assert (bench.told[-1].state, bench.told[-1].chattering) == ("cleared", False)
    assert bench.told[-1].message == "drift False"


def test_alarms_at_once_are_one_incident_until_the_last_is_over(outbox: Outbox) -> None:
    bench = Bench(outbox)
    for name in ("drift", "monitors", "watchdog"):
        bench.report(True, name)
    for name in ("drift", "monitors", "watchdog"):
        bench.report(False, name)
    assert len({a.incident for a in bench.told}) == 1
    assert [a.incident_state for a in bench.told] == ["opened", *["updated"] * 4, "closed"]


def test_what_the_disk_takes_late_says_what_was_true_then(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    alarms = Annunciator(outbox)
    with monkeypatch.context() as patch:
        patch.setattr(outbox.spool, "append", refuse)
        alarms.report("s", "drift", True, "first", "it came")
        alarms.report("s", "drift", False, "second", "it went")
    alarms.report("s", "monitors", True, "third", "another")
    rows = outbox.spool.take(99, 1 << 20, 0)
    told = sorted((decode(row.payload, Alarm) for row in rows), key=lambda one: one.sequence)
    assert [(one.state, one.cause, one.message) for one in told] == [
        ("raised", "first", "it came"),
        ("cleared", "second", "it went"),
        ("raised", "third", "another"),
    ]


def refuse(*_arguments: object) -> int:
    raise StoreError("the disk refuses", "wait")
