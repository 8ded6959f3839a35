"""Sparkplug's parts alone: payloads against independent decoders, sessions, hostile commands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conversation import Conversation
from hypothesis import given, settings
from hypothesis import strategies as st
from payloads import DATA_TYPES, Payload, decode, value_of

from edge_guard.publish.sparkplug.host import PrimaryHost
from edge_guard.publish.sparkplug.metrics import Reading
from edge_guard.publish.sparkplug.payload import (
    DataType,
    Metric,
    Value,
    decode_command,
    encode_payload,
)
from edge_guard.publish.sparkplug.session import HISTORY_STEP_MS, MOST_HISTORY, Session
from edge_guard.publish.sparkplug.wire import fields

PEER = Path(sys.prefix) / "peers" / "bin" / "python"
HERE = Path(__file__).parent
NUMBER = st.integers(0, (1 << 64) - 1)
VALUES = st.one_of(
    st.builds(Value, st.just(DataType.INT64), st.integers(-(1 << 63), (1 << 63) - 1) | st.none()),
    st.builds(Value, st.just(DataType.DATETIME), NUMBER | st.none()),
    st.builds(Value, st.just(DataType.DOUBLE), st.floats(allow_nan=False) | st.none()),
    st.builds(Value, st.just(DataType.BOOLEAN), st.booleans() | st.none()),
    st.builds(Value, st.just(DataType.STRING), st.text() | st.none()),
)
METRICS = st.builds(
    Metric, VALUES, NUMBER, st.text() | st.none(), NUMBER | st.none(), st.booleans(), st.booleans()
)


@settings(max_examples=60, deadline=None)
@given(st.lists(METRICS, max_size=5), NUMBER, st.integers(0, 255) | st.none())
def test_payloads_are_read_by_google_s_protobuf(
    metrics: list[Metric], now: int, sequence: int | None
) -> None:
    payload = decode(encode_payload(metrics, now, sequence))
    assert payload.timestamp == now
    assert (payload.seq if payload.HasField("seq") else None) == sequence
    for ours, theirs in zip(metrics, payload.metrics, strict=True):
        told = value_of(theirs)
        if ours.value.type == DataType.INT64 and told is not None:
            told = told - (1 << 64) if told >= 1 << 63 else told  # two's complement, chapter 6
        assert told == ours.value.value
        assert (theirs.name if theirs.HasField("name") else None) == ours.name
        assert (theirs.alias if theirs.HasField("alias") else None) == ours.alias
        assert theirs.datatype == (ours.value.type if ours.with_type else 0)
        assert theirs.is_historical == ours.historical


@settings(deadline=None)
@given(st.text(), st.booleans(), NUMBER)
def test_commands_of_google_s_protobuf_are_read(name: str, wanted: bool, alias: int) -> None:
    command = Payload(timestamp=1)
    command.metrics.add(name=name, alias=alias, datatype=11, boolean_value=wanted, timestamp=1)
    command.metrics.add(alias=alias, float_value=1.5)
    first, second = decode_command(command.SerializeToString())
    assert (first.name, first.alias, first.boolean) == (name, alias, wanted)
    assert (second.name, second.boolean) == (None, None)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else_happens(garbage: bytes) -> None:
    for read in (decode_command, lambda data: list(fields(data))):
        try:
            read(garbage)
        except ValueError:
            continue


def test_a_command_that_ends_early_is_refused() -> None:
    command = Payload(timestamp=1)
    command.metrics.add(name="Node Control/Rebirth", boolean_value=True)
    whole = command.SerializeToString()
    for length in range(3, len(whole)):
        with pytest.raises(ValueError, match="ends"):
            decode_command(whole[:length])


def test_an_independent_library_reads_the_whole_conversation(conversation: Conversation) -> None:
    """pysparkplug, with a protobuf definition and a paho of its own, in its own environment."""
    if not PEER.exists():
        pytest.skip(f"{PEER} is not here: tools/peers.sh makes the environment of pysparkplug")
    sent = conversation.sent()
    lines = [f"{message.verb} {message.packet.payload.hex()}" for message in sent]
    done = subprocess.run(
        [PEER, "-I", HERE / "peer_reads_sparkplug.py"],
        input="\n".join(lines), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    read = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(read) == len(sent) > 290
    births = [theirs for theirs, ours in zip(read, sent, strict=True) if ours.verb == "NBIRTH"]
    assert births[0]["seq"] == 0
    for theirs, ours in zip(read, sent, strict=True):
        if ours.verb in ("NBIRTH", "DBIRTH"):
            told = {
                m.name: [DATA_TYPES[m.datatype].upper(), value_of(m)] for m in ours.payload.metrics
            }
            assert theirs["metrics"] == told
        if ours.verb != "NDEATH":
            assert theirs["seq"] == ours.payload.seq
        assert theirs["count"] == len(ours.payload.metrics)


def reading(**values: int) -> Reading:
    metrics = {name: Value(DataType.INT64, value) for name, value in values.items()}
    return Reading(metrics, {"s": metrics}, frozenset())


def test_bd_seq_goes_round_after_255() -> None:
    session = Session("g", "n")
    wills = []
    for _ in range(258):
        wills.append(decode(session.connecting(0).payload).metrics[0].long_value)
        session.connected()
    assert wills == [*range(256), 0, 1]


def test_bd_seq_counts_only_what_was_sent() -> None:
    session = Session("g", "n")
    for _ in range(3):
        will = session.connecting(0)  # the broker cannot be reached
    session.connected()
    birth = decode(next(session.births(reading(a=0), 0)).payload)
    assert birth.metrics[0].name == "bdSeq"
    assert birth.metrics[0].long_value == decode(will.payload).metrics[0].long_value == 0


def test_history_keeps_the_newest_and_goes_in_parts() -> None:
    session = Session("g", "n")
    session.connecting(0)
    list(session.births(reading(a=0), 0))
    session.connecting(0)
    for number in range(1, MOST_HISTORY + 10):
        session.keep(reading(a=number), number * HISTORY_STEP_MS)
    messages = [decode(message.payload) for message in session.births(reading(a=-1), 0)]
    told = [m for message in messages for m in message.metrics if m.is_historical]
    assert len(told) == MOST_HISTORY
    assert max(len(message.metrics) for message in messages) <= 200
    assert told[-1].timestamp == (MOST_HISTORY + 9) * HISTORY_STEP_MS
    assert [message.seq for message in messages] == list(range(len(messages)))


def test_history_keeps_every_state_and_a_number_a_minute() -> None:
    def state(word: str, number: int) -> Reading:
        own = {"word": Value(DataType.STRING, word), "number": Value(DataType.INT64, number)}
        return Reading(own, {}, frozenset())

    session = Session("g", "n")
    list(session.births(state("a", 0), 0))
    session.connecting(0)
    for second in range(1, 121):
        session.keep(state("ab"[second % 2], second), second * 1000)
    late = [decode(message.payload) for message in session.births(state("a", 121), 121_000)][1:]
    types = [m.WhichOneof("value") for message in late for m in message.metrics]
    assert types.count("string_value") == 120
    assert types.count("long_value") == 2


def test_history_of_an_absent_camera_waits_for_it() -> None:
    session = Session("g", "n")
    list(session.births(reading(a=0), 0))
    session.connecting(0)
    session.keep(reading(a=1), 1)
    absent = reading(a=1)._replace(absent=frozenset({"s"}))
    verbs = [message.topic.split("/")[2] for message in session.births(absent, 2)]
    assert verbs == ["NBIRTH", "NDATA"]
    verbs = [message.topic.split("/")[2] for message in session.births(reading(a=1), 3)]
    assert verbs == ["NBIRTH", "DBIRTH", "DDATA"]


@pytest.mark.parametrize(
    "payload",
    [b"", b"OFFLINE", b"\xff", b"[]", b'{"online": true}', b'{"online": 1, "timestamp": 1}',
     b'{"online": true, "timestamp": "now"}', b'{"online": true, "timestamp": 1e400}'],
)  # fmt: skip
def test_what_is_no_state_message_changes_nothing(payload: bytes) -> None:
    host = PrimaryHost("scada")
    with pytest.raises(ValueError, match="STATE"):
        host.heard("spBv1.0/STATE/scada", payload)
    assert not host.online
    assert not host.heard("spBv1.0/STATE/other", b'{"online": true, "timestamp": 1}')
    assert host.heard("spBv1.0/STATE/scada", b'{"online": true, "timestamp": 1}')
    assert host.online


def test_without_a_primary_host_nothing_is_waited_for() -> None:
    host = PrimaryHost(None)
    assert host.online
    assert host.topics == ()
