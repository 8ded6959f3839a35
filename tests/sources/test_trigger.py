"""Triggers that come as messages: what they may say, repetitions, a broker that was away."""

from __future__ import annotations

import logging
import time

import pytest

from edge_guard.config import StreamTable, TriggerTable
from edge_guard.publish.happenings import Received
from edge_guard.sources import trigger as trigger_module
from edge_guard.sources.trigger import Inbox
from edge_guard.trigger_desk import TriggerDesk

TOPIC = "plant/line/triggers"
NOW = 1_000


def offered(*payloads: bytes, again: bool = False) -> Inbox:
    inbox = Inbox()
    for payload in payloads:
        inbox.offer(payload, NOW, again=again)
    return inbox


@pytest.mark.parametrize(
    ("payload", "part"),
    [
        (b"A-17", "A-17"),
        (b"  A 17\r\n", "A 17"),
        ("Gehäuse 7".encode(), "Gehäuse 7"),
        (b"", ""),
        (b'{"part_id": "A-17", "id": "4711"}', "A-17"),
        (b'{"part_id": 17, "more": [1, 2]}', "17"),
        (b"{}", ""),
        (b"x" * 128, "x" * 128),
        (b"<script>", "<script>"),
    ],
)
def test_a_part_id_is_text_or_json(payload: bytes, part: str) -> None:
    (found,) = offered(payload).take()
    assert (found.part, found.heard_ns, found.trouble) == (part, NOW, "")


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff\xfe",
        b"{",
        b'{"part_id": 1.5}',
        b'{"part_id": null}',
        b"x" * 129,
        b'{"id": "' + b"x" * 129 + b'"}',
        b"a\x00b",
        b"a\x1b[2Jb",
        b'{"part_id": "a\\nb"}',
        b'{"part_id": "\\ud800"}',
        b'{"more": ' + b"[" * 200_000,
        b'{"part_id": ' + b"9" * 10_000 + b"}",
    ],
)
def test_what_cannot_be_read_is_a_trigger_all_the_same(payload: bytes) -> None:
    (found,) = offered(payload).take()
    assert found.part == ""
    assert found.trouble.startswith("a trigger cannot be read (")
    assert "\n" not in found.trouble


def test_a_message_with_an_id_counts_once_however_often_it_comes() -> None:
    message = b'{"part_id": "A-1", "id": 7}'
    inbox = offered(message, message, message)
    assert [one.part for one in inbox.take()] == ["A-1"]
    assert inbox.counts == {"trigger-repeated": 2}
    inbox.offer(b'{"part_id": "A-1", "id": 8}', NOW)
    assert [one.part for one in inbox.take()] == ["A-1"]  # the part comes by a second time


def test_plain_text_is_a_repetition_only_where_the_broker_says_so() -> None:
    inbox = offered(b"A-1", b"A-1")
    assert len(inbox.take()) == 2
    assert inbox.counts == {}
    inbox.offer(b"A-1", NOW, again=True)
    assert inbox.take() == []
    assert inbox.counts == {"trigger-repeated": 1}
    assert len(offered(b"A-2", again=True).take()) == 1  # the first one never came


def test_a_late_trigger_has_no_frame() -> None:
    inbox = Inbox()
    inbox.offer(b"A-1", NOW, late=True)
    (found,) = inbox.take()
    assert found.part == "A-1"
    assert "came late" in found.trouble


def test_a_broker_that_forgets_is_told_to_a_person_one_that_keeps_is_not() -> None:
    inbox = Inbox()
    for kept in (False, True, False):
        inbox.connected(True, kept=kept)
        inbox.connected(False)
    (told,) = inbox.take()  # not at the first connection, and not where it has kept them
    assert "has kept no triggers" in told.trouble
    assert told.part == ""


def test_a_broker_is_away_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = Inbox()
    assert not inbox.away
    monkeypatch.setattr(trigger_module, "_AWAY_S", -1.0)
    assert inbox.away
    inbox.connected(True)
    assert not inbox.away
    inbox.connected(False)
    assert inbox.away


def listening(*topics: str) -> TriggerDesk:
    desk = TriggerDesk()
    tables = [
        StreamTable(name=f"s{n}", source="0", trigger=TriggerTable(kind="mqtt", topic=topic))
        for n, topic in enumerate(topics)
    ]
    desk.follow([*tables, StreamTable(name="free", source="1")])
    return desk


def test_streams_of_one_topic_hear_each_message() -> None:
    desk, first, second = listening(TOPIC, TOPIC, "other"), Inbox(), Inbox()
    assert desk.topics == (TOPIC, "other")
    desk.attach(TOPIC, first)
    desk.attach(TOPIC, second)
    assert desk.hear(Received(TOPIC, b"A-1"))
    assert not desk.hear(Received("edge-guard/v1/s/l/d/command", b"{}"))
    assert [one.part for one in first.take() + second.take()] == ["A-1", "A-1"]
    desk.detach(TOPIC, first)
    desk.detach(TOPIC, first)
    desk.hear(Received(TOPIC, b"A-2"))
    assert first.take() == []
    assert [one.part for one in second.take()] == ["A-2"]


def test_what_comes_while_a_stream_is_replaced_waits_with_its_own_time() -> None:
    desk, inbox = listening(TOPIC), Inbox()
    desk.hear(Received(TOPIC, b"A-1"))
    came_ns = time.monotonic_ns()
    desk.attach(TOPIC, inbox)
    (found,) = inbox.take()
    assert found.part == "A-1"
    assert found.heard_ns <= came_ns
    desk.attach(TOPIC, other := Inbox())
    assert other.take() == []


def test_triggers_that_nobody_takes_are_said_to_be_lost(caplog: pytest.LogCaptureFixture) -> None:
    desk, inbox = listening(TOPIC), Inbox()
    for number in range(1002):
        desk.hear(Received(TOPIC, f"A-{number}".encode()))
    desk.attach(TOPIC, inbox)
    assert [one.part for one in inbox.take()] == [f"A-{number}" for number in range(2, 1002)]
    lost = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
    assert len(lost) == 2
    assert "A-0" in lost[0]


def test_a_retained_message_is_no_trigger(caplog: pytest.LogCaptureFixture) -> None:
    desk, inbox = listening(TOPIC), Inbox()
    desk.attach(TOPIC, inbox)
    assert desk.hear(Received(TOPIC, b"A-1", retained=True))
    assert inbox.take() == []
    assert "without the retain flag" in caplog.text
