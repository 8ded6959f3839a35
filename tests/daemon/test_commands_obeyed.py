"""Commands from the broker to the daemon and back: done once, answered once, kept over kill -9."""

from __future__ import annotations

import itertools
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import test_daemon
from brokers import Mosquitto
from devices import TOPICS, Counter, wait_until
from pretend import ACCEPTED, FLAGGED, FROZEN, device, write_pictures
from test_daemon import decoded, running, start

from edge_guard.collector.parse import parse
from edge_guard.commands import executor
from edge_guard.config import DeviceConfig
from edge_guard.publish.messages import (
    PREFIX,
    Acknowledge,
    Action,
    Alarm,
    Capture,
    Command,
    Event,
    OutOfService,
    Reply,
    Shelve,
    Tighten,
    decode,
    encode,
)
from edge_guard.types import Verdict

NUMBERS = itertools.count()


def order(action: Action, **changes: Any) -> bytes:
    now = datetime.now(UTC)
    fields: dict[str, Any] = {
        "id": f"c-{next(NUMBERS)}",
        "device": "device",
        "by": "Ada",
        "issued_wall_time": now.isoformat(),
        "expires_wall_time": (now + timedelta(minutes=5)).isoformat(),
        **changes,
    }
    return encode(Command(action=action, **fields))


def ask(collector: Counter, payload: bytes) -> Reply:
    """Return the answer to a command."""
    name = msgspec.json.decode(payload)["id"]

    def answers() -> list[Reply]:
        return [reply for reply in replies(collector) if reply.command_id == name]

    _send_until(collector, {name: payload}, lambda: bool(answers()))
    return answers()[0]


def replies(collector: Counter) -> list[Reply]:
    """Every reply once, however often it came."""
    return [decode(payload, Reply) for payload in dict.fromkeys(collector.listener.on("reply"))]


def watching(tmp_path: Path, port: int, *levels: int, **settings: Any) -> DeviceConfig:
    folder = write_pictures(tmp_path / "in", *levels)
    return device(tmp_path, port, folder, watch=True, **settings)


def test_a_picture_can_be_asked_for(broker: Mosquitto, tmp_path: Path) -> None:
    config = watching(tmp_path, broker.port, ACCEPTED)
    with Counter(broker.port) as collector, running(config) as daemon:
        wait_until(lambda: daemon.describe().streams[0].frames == 1)
        payload = order(Capture(stream="s"))
        collector.listener.publish(TOPICS.command(), payload)
        stream = daemon.streams["s"]
        wait_until(lambda: bool(stream.captures._wanted))
        write_pictures(tmp_path / "in", ACCEPTED)
        reply = ask(collector, payload)  # a second time, while it is being done
        wait_until(lambda: decoded(collector, "event", Event))
        (event,) = decoded(collector, "event", Event)
        assert (reply.outcome, reply.event_id) == ("done", event.event_id)
        assert event.captured == reply.command_id
        assert (event.verdict, event.frame_sequence) == (Verdict.ACCEPT, 1)
        wait_until(lambda: event.event_id in collector.pictures)
        heard = len(collector.listener.on("reply"))
        collector.listener.publish(TOPICS.command(), payload)
        wait_until(lambda: len(collector.listener.on("reply")) > heard)
    assert len(replies(collector)) == 1


def test_an_alarm_is_acknowledged_and_shelved(broker: Mosquitto, tmp_path: Path) -> None:
    config = watching(tmp_path, broker.port, FROZEN, FROZEN)
    with Counter(broker.port) as collector:
        with running(config) as daemon:
            wait_until(lambda: decoded(collector, "alarm", Alarm))
            reply = ask(collector, order(Acknowledge(stream="s", alarm="frozen")))
            assert (reply.outcome, reply.message) == ("done", "the alarm is acknowledged")
            assert daemon.describe().causes
            reply = ask(collector, order(Shelve(stream="s", alarm="frozen", seconds=3600)))
            assert reply.message == "the alarm is shelved"
            assert daemon.describe().causes == ()
            wait_until(lambda: len(decoded(collector, "alarm", Alarm)) == 3)
        with running(config):  # after a restart it is still shelved, and still acknowledged
            reply = ask(collector, order(Shelve(stream="s", alarm="frozen", seconds=1e-3)))
            wait_until(lambda: len(decoded(collector, "alarm", Alarm)) == 5)
        alarms = decoded(collector, "alarm", Alarm)
    assert [alarm.isa_state for alarm in alarms] == [
        "unacknowledged", "acknowledged", "shelved", "shelved", "acknowledged",
    ]  # fmt: skip
    assert {alarm.incident for alarm in alarms} == {alarms[0].incident}
    assert [alarm.incident_state for alarm in alarms] == ["opened", None, None, None, None]
    assert 3590 < alarms[2].shelved_seconds <= 3600 and alarms[2].shelved_by == "Ada"
    assert all(event.incident == alarms[0].incident for event in decoded(collector, "event", Event))


def test_limits_become_stricter_at_once_and_stay_so(broker: Mosquitto, tmp_path: Path) -> None:
    config = watching(tmp_path, broker.port, ACCEPTED)
    with Counter(broker.port) as collector:
        with running(config) as daemon:
            loose = ask(collector, order(Tighten(stream="s", min_confidence=0.4)))
            assert loose.outcome == "refused"
            assert "min_confidence 0.4 is looser than the bundle's 0.5" in loose.message
            absent = ask(collector, order(Tighten(stream="s", review_budget=0.4)))
            assert (absent.outcome, "no review_budget" in absent.message) == ("refused", True)
            done = ask(collector, order(Tighten(stream="s", min_confidence=0.9)))
            assert (done.outcome, done.message) == ("done", "min_confidence 0.9")
            assert daemon.describe().streams[0].tightened == {"min_confidence": 0.9}
        with running(config) as daemon:
            assert daemon.describe().streams[0].tightened == {"min_confidence": 0.9}
            ask(collector, order(Tighten(stream="s")))
            assert daemon.describe().streams[0].tightened == {}


def test_what_is_not_obeyed_is_answered_too(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "CAPTURE_SECONDS", 0.2)
    past = datetime(2020, 1, 1, tzinfo=UTC).isoformat()
    known = order(Capture(stream="s"), id="known")
    wrong = {
        "foreign": (order(Capture(stream="s"), id="foreign", device="other"), "is for device"),
        "nowhere": (order(Capture(stream="t"), id="nowhere"), "no stream 't': the device has s"),
        "never": (order(Acknowledge(stream="s", alarm="drift"), id="never"), "no alarm 'drift'"),
        "topic": (
            order(OutOfService(stream="s", alarm="a/#"), id="topic"),
            "no alarm 'a/#'",
        ),
        "long": (known.replace(b'"known"', b'"long","' + b"y" * 9000 + b'":1'), "unknown field"),
        "unknown": (known.replace(b"known", b"unknown").replace(b"capture", b"format"), "format"),
        "more": (known.replace(b'"known"', b'"more","sudo":1'), "unknown field `sudo`"),
        "zone": (
            order(Capture(stream="s"), id="zone", expires_wall_time="2026-01-01T00:00:00"),
            "no time zone",
        ),
        "time": (order(Capture(stream="s"), id="time", expires_wall_time="soon"), "soon"),
        "dark": (order(Capture(stream="s"), id="dark"), "no frame within"),
    }
    with Counter(broker.port) as collector, running(watching(tmp_path, broker.port)) as daemon:
        for hostile in (b"", b"{", b"[]", b"\xff" * 99, b'{"id":"' + b"x" * 99_999 + b'"}'):
            collector.listener.publish(TOPICS.command(), hostile)
        for name, (payload, words) in wrong.items():
            reply = ask(collector, payload)
            assert words in reply.message, reply
            assert parse(TOPICS.reply(), encode(reply), PREFIX) is not None
            assert reply.outcome == ("failed" if name == "dark" else "refused")
        assert ask(collector, known.replace(b"known", b"again")).outcome == "failed"
        late = ask(collector, order(Capture(stream="s"), id="late", expires_wall_time=past))
        expired = daemon.describe().clock_synchronised
        assert ("expired" in late.message) == expired
    assert len(replies(collector)) == len(wrong) + 2


KILLED = """
import os, pathlib, signal
from edge_guard.publish.outbox import Outbox
spooled = Outbox.post
def die(moment, kind):
    mark = pathlib.Path(os.environ["KILLED"])
    if kind == "reply" and mark.name == moment and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
def post(self, kind, *rest):
    die("before", kind)
    sequence = spooled(self, kind, *rest)
    die("after", kind)
    return sequence
Outbox.post = post
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_kill_9_exactly_around_the_reply(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """What was decided is on the disk; only one of the two lives spools the reply."""
    monkeypatch.setattr(test_daemon, "DAEMON", KILLED + test_daemon.DAEMON)
    config, killed = watching(tmp_path, broker.port, FROZEN), tmp_path / moment
    payload = order(Acknowledge(stream="s", alarm="frozen"))
    with Counter(broker.port) as collector:
        process = start(config, tmp_path, KILLED=str(killed))
        wait_until(lambda: decoded(collector, "alarm", Alarm))
        reply = ask(collector, payload)
        assert killed.exists()
        heard = len(collector.listener.on("reply"))
        collector.listener.publish(TOPICS.command(), payload)
        wait_until(lambda: len(collector.listener.on("reply")) > heard)
        _end(process)
        alarms = decoded(collector, "alarm", Alarm)
    assert replies(collector) == [reply]
    assert (reply.outcome, reply.message) == ("done", "the alarm is acknowledged")
    assert [alarm.isa_state for alarm in alarms] == ["unacknowledged", "acknowledged"]


def test_kill_9_between_command_and_reply(broker: Mosquitto, tmp_path: Path) -> None:
    """Sent until it is answered, to a daemon that is killed in between: one reply each."""
    config = watching(tmp_path, broker.port, *[FLAGGED] * 50, loop=False, frames_per_second=50.0)
    wanted: dict[str, bytes] = {}
    with Counter(broker.port) as collector:
        for round_ in range(2):
            process = start(config, tmp_path)
            wait_until(lambda: bool(collector.listener.on("state")))
            commands = [order(Acknowledge(stream="s", alarm="flagged")) for _ in range(5)]
            wanted |= {msgspec.json.decode(one)["id"]: one for one in commands}
            before = len(replies(collector))
            _send_until(collector, wanted, lambda n=before + round_: len(replies(collector)) > n)
            process.kill()
            process.communicate()
        last = start(config, tmp_path)
        _send_until(
            collector, wanted, lambda: {r.command_id for r in replies(collector)} == set(wanted)
        )
        _end(last)
    by_id = [reply.command_id for reply in replies(collector)]
    assert sorted(by_id) == sorted(wanted), "each command has one reply"


def _send_until(collector: Counter, wanted: dict[str, bytes], done: Callable[[], bool]) -> None:
    """Send what is not answered three times a second, as a collector does more slowly."""
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        answered = {reply.command_id for reply in replies(collector)}
        for name, payload in wanted.items():
            if name not in answered:
                collector.listener.publish(TOPICS.command(), payload)
        time.sleep(0.3)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.communicate(timeout=30)
