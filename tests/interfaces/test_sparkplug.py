"""Assertions of the Sparkplug 3.0 specification, by its ids, on what an edge node really sent.

``pytest -v`` prints the ids.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from conversation import GROUP, HOST, NODE, Conversation, Sent, topic
from payloads import DATA_TYPES, decode, value_of
from wiretap import Connect, Disconnect, Publish, Subscribe

Check = Callable[[Conversation], None]
CHECKS: dict[str, Check] = {}
BIRTHS, DATA = ("NBIRTH", "DBIRTH"), ("NDATA", "DDATA")
REBIRTH = "Node Control/Rebirth"


def tck(*ids: str) -> Callable[[Check], Check]:
    """What follows is what these assertions of the specification ask for."""

    def note(check: Check) -> Check:
        CHECKS.update({f"tck-id-{name}": check for name in ids})
        return check

    return note


def of_verb(conversation: Conversation, verb: str) -> list[Sent]:
    found = conversation.sent(verb)
    assert found, f"no {verb} was sent"
    return found


def numbered(conversation: Conversation) -> list[Sent]:
    return [sent for sent in conversation.sent() if sent.verb != "NDEATH"]


def connects(conversation: Conversation) -> list[Connect]:
    found = [packet for packet in conversation.packets if isinstance(packet, Connect)]
    assert len(found) == 3
    return found


def bd_seq(payload: Any) -> Any:
    (metric,) = (metric for metric in payload.metrics if metric.name == "bdSeq")
    assert metric.datatype == 4
    return value_of(metric)


# --- topics -------------------------------------------------------------------------------------


@tck(
    "topic-structure",
    "topic-structure-namespace-a",
    "topic-structure-namespace-device-id-associated-message-types",
    "topic-structure-namespace-device-id-non-associated-message-types",
)
def _topics(conversation: Conversation) -> None:
    for sent in conversation.sent():
        below = rf"(N(BIRTH|DATA|DEATH)/{NODE}|D(BIRTH|DATA|DEATH)/{NODE}/[^/+#]+)"
        pattern = rf"spBv1\.0/{GROUP}/{below}"
        assert re.fullmatch(pattern, sent.packet.topic)


for _verb in ("NBIRTH", "NDATA", "DBIRTH", "DDATA", "DDEATH"):

    @tck(f"topics-{_verb.lower()}-topic", f"topics-{_verb.lower()}-mqtt")
    def _topic_and_flags(conversation: Conversation, verb: str = _verb) -> None:
        for sent in of_verb(conversation, verb):
            assert sent.packet.topic == topic(verb, sent.device)
            assert (sent.packet.qos, sent.packet.retain) == (0, False)

    @tck(f"payloads-{_verb.lower()}-timestamp", f"payloads-{_verb.lower()}-seq")
    def _timestamp_and_sequence(conversation: Conversation, verb: str = _verb) -> None:
        for sent in of_verb(conversation, verb):
            assert sent.payload.HasField("timestamp")
            assert sent.payload.HasField("seq")
            assert 0 <= sent.payload.seq <= 255


@tck("case-sensitivity-sparkplug-ids", "case-sensitivity-metric-names")
def _no_two_names_differ_in_case_only(conversation: Conversation) -> None:
    assert len({sent.device.lower() for sent in of_verb(conversation, "DBIRTH")}) == 2
    for sent in conversation.sent(*BIRTHS):
        assert len({name.lower() for name in sent.names}) == len(sent.names)


# --- connection and will ------------------------------------------------------------------------


@tck(
    "message-flow-edge-node-birth-publish-will-message",
    "message-flow-edge-node-birth-publish-will-message-topic",
    "message-flow-edge-node-birth-publish-will-message-payload",
    "message-flow-edge-node-birth-publish-will-message-qos",
    "message-flow-edge-node-birth-publish-will-message-will-retained",
    "payloads-ndeath-will-message",
    "payloads-ndeath-will-message-qos",
    "payloads-ndeath-will-message-retain",
    "topics-ndeath-topic",
    "topics-ndeath-payload",
)
def _will(conversation: Conversation) -> None:
    for connect in connects(conversation):
        assert connect.will_topic == topic("NDEATH")
        assert (connect.will_qos, connect.will_retain) == (1, False)
        assert [metric.name for metric in decode(connect.will_payload).metrics] == ["bdSeq"]


@tck("principles-persistence-clean-session-311")
def _clean_session(conversation: Conversation) -> None:
    assert [(c.level, c.clean_session) for c in connects(conversation)] == [(4, True)] * 3


@tck(
    "message-flow-edge-node-birth-publish-will-message-payload-bdSeq",
    "topics-nbirth-bdseq-increment",
)
def _bd_seq_counts_connections(conversation: Conversation) -> None:
    wills = [bd_seq(decode(connect.will_payload)) for connect in connects(conversation)]
    assert wills == [0, 1, 2]


@tck(
    "topics-nbirth-bdseq-included",
    "topics-nbirth-bdseq-matching",
    "payloads-nbirth-bdseq",
    "payloads-nbirth-bdseq-repeat",
    "payloads-ndeath-bdseq",
    "message-flow-edge-node-birth-publish-nbirth-payload-bdSeq",
    "operational-behavior-data-commands-rebirth-action-3",
)
def _births_and_deaths_carry_the_will_s_bd_seq(conversation: Conversation) -> None:
    for packets in conversation.connections():
        connect = packets[0]
        assert isinstance(connect, Connect)
        own = [p for p in packets if isinstance(p, Publish) and f"/{NODE}/" not in p.topic]
        told = [bd_seq(decode(p.payload)) for p in own if "NDATA" not in p.topic]
        assert set(told) == {bd_seq(decode(connect.will_payload))}


@tck("message-flow-edge-node-ncmd-subscribe")
def _subscriptions(conversation: Conversation) -> None:
    for packets in conversation.connections():
        wanted = [Subscribe(topic("NCMD"), 1), Subscribe(f"spBv1.0/STATE/{HOST}", 1)]
        assert packets[1:3] == wanted


@tck(
    "principles-birth-certificates-order",
    "message-flow-edge-node-birth-publish-connect",
    "message-flow-device-birth-publish-nbirth-wait",
    "payloads-dbirth-order",
    "payloads-ndata-order",
    "payloads-ddata-order",
)
def _births_come_first(conversation: Conversation) -> None:
    for packets in conversation.connections():
        verbs = [p.topic.split("/")[2] for p in packets if isinstance(p, Publish)]
        if verbs != ["NDEATH"]:
            assert verbs[:3] == ["NBIRTH", "DBIRTH", "DBIRTH"]


@tck(
    "operational-behavior-edge-node-intentional-disconnect-ndeath",
    "operational-behavior-edge-node-intentional-disconnect-packet",
    "payloads-ndeath-will-message-publisher",
    "payloads-ndeath-will-message-publisher-disconnect-mqtt311",
)
def _goodbyes(conversation: Conversation) -> None:
    goodbyes = 0
    for before, packet in pairwise(conversation.packets):
        if isinstance(packet, Disconnect):
            goodbyes += 1
            assert isinstance(before, Publish)
            assert before.topic == topic("NDEATH")
    assert goodbyes == 2
    deaths = [payload for name, payload, _ in conversation.heard if name == topic("NDEATH")]
    assert [bd_seq(decode(payload)) for payload in deaths] == [0, 1, 2]  # one is the broker's


# --- the primary host ---------------------------------------------------------------------------


@tck("operational-behavior-edge-node-birth-sequence-wait")
def _births_wait_for_the_host(conversation: Conversation) -> None:
    for offline, online in (("start_offline", "appear"), ("host_lost", "host_back")):
        assert not conversation.sent(*BIRTHS, *DATA, step=offline)
        assert len(conversation.sent("NBIRTH", step=online)) == 1


@tck(
    "operational-behavior-edge-node-termination-host-offline",
    "operational-behavior-edge-node-termination-host-offline-reconnect",
)
def _a_lost_host_ends_the_connection(conversation: Conversation) -> None:
    first, second, _ = conversation.connections()
    assert isinstance(first[-1], Disconnect)
    assert conversation.packets.index(second[0]) > dict(conversation.steps)["host_lost"]


@tck("operational-behavior-edge-node-termination-host-offline-timestamp")
def _an_old_death_of_the_host_changes_nothing(conversation: Conversation) -> None:
    assert not conversation.sent("NDEATH", step="old_death")
    assert len(conversation.sent("NBIRTH", step="old_death")) == 1


# --- births -------------------------------------------------------------------------------------


@tck("topics-nbirth-seq-num", "message-flow-edge-node-birth-publish-nbirth-payload-seq")
def _births_begin_with_sequence_zero(conversation: Conversation) -> None:
    assert {sent.payload.seq for sent in of_verb(conversation, "NBIRTH")} == {0}


@tck(
    "topics-nbirth-metrics",
    "topics-dbirth-metrics",
    "payloads-metric-datatype-value-type",
    "payloads-metric-datatype-value",
    "payloads-metric-datatype-req",
    "operational-behavior-data-publish-nbirth-values",
    "operational-behavior-data-publish-dbirth-values",
)
def _births_tell_name_type_and_value(conversation: Conversation) -> None:
    nulls = 0
    for sent in conversation.sent(*BIRTHS):
        for metric in sent.payload.metrics:
            assert metric.name
            kind = DATA_TYPES[metric.datatype]
            value = value_of(metric)
            nulls += value is None
            types = {"Int64": int, "Double": float, "Boolean": bool, "String": str}
            assert value is None or isinstance(value, types.get(kind, int))
    assert nulls, "no metric was null: is_null was not tried"


@tck(
    "topics-nbirth-rebirth-metric",
    "payloads-nbirth-rebirth-req",
    "operational-behavior-data-commands-rebirth-name",
    "operational-behavior-data-commands-rebirth-name-aliases",
    "operational-behavior-data-commands-rebirth-datatype",
    "operational-behavior-data-commands-rebirth-value",
)
def _births_offer_a_rebirth(conversation: Conversation) -> None:
    for sent in of_verb(conversation, "NBIRTH"):
        (metric,) = (metric for metric in sent.payload.metrics if metric.name == REBIRTH)
        assert DATA_TYPES[metric.datatype] == "Boolean"
        assert value_of(metric) is False
        assert not metric.HasField("alias")


@tck("payloads-alias-uniqueness", "payloads-alias-birth-requirement")
def _aliases_are_unique(conversation: Conversation) -> None:
    aliases: dict[int, tuple[str, str]] = {}
    for sent in conversation.sent(*BIRTHS):
        for metric in sent.payload.metrics:
            if metric.name != REBIRTH:
                assert metric.HasField("alias")
                who = (sent.device, metric.name)
                assert aliases.setdefault(metric.alias, who) == who
    assert len(set(aliases.values())) == len(aliases)


@tck(
    "topics-nbirth-metric-reqs",
    "topics-dbirth-metric-reqs",
    "operational-behavior-data-publish-nbirth",
    "operational-behavior-data-publish-dbirth",
    "payloads-alias-data-cmd-requirement",
    "payloads-name-requirement",
)
def _data_names_only_what_was_born(conversation: Conversation) -> None:
    known: dict[str, set[int]] = {}
    for sent in conversation.sent():
        if sent.verb in BIRTHS:
            known[sent.device] = {metric.alias for metric in sent.payload.metrics}
        elif sent.verb in DATA:
            assert sent.payload.metrics
            for metric in sent.payload.metrics:
                assert not metric.HasField("name")
                assert metric.alias in known[sent.device]


# --- data ---------------------------------------------------------------------------------------


@tck(
    "payloads-sequence-num-always-included",
    "payloads-sequence-num-zero-nbirth",
    "payloads-sequence-num-incrementing",
    "topics-ndata-seq-num",
    "topics-dbirth-seq",
    "topics-ddata-seq-num",
    "topics-ddeath-seq-num",
    "payloads-ndata-seq-inc",
    "payloads-dbirth-seq-inc",
    "payloads-ddata-seq-inc",
    "payloads-ddeath-seq-inc",
    "payloads-ddeath-seq-number",
    "message-flow-device-birth-publish-dbirth-payload-seq",
)
def _sequences_go_on_and_wrap(conversation: Conversation) -> None:
    wraps = 0
    for before, after in pairwise(numbered(conversation)):
        if after.verb != "NBIRTH":
            assert after.payload.seq == (before.payload.seq + 1) % 256
            wraps += after.payload.seq == 0
    assert wraps == 1


@tck("payloads-ndeath-seq")
def _deaths_have_no_sequence(conversation: Conversation) -> None:
    for sent in of_verb(conversation, "NDEATH"):
        assert not sent.payload.HasField("seq")
    for connect in connects(conversation):
        assert not decode(connect.will_payload).HasField("seq")


@tck(
    "payloads-name-birth-data-requirement",
    "payloads-timestamp-in-UTC",
    "payloads-metric-timestamp-in-UTC",
)
def _timestamps_are_in_utc(conversation: Conversation) -> None:
    now = time.time() * 1000
    for sent in conversation.sent(*BIRTHS, *DATA):
        assert abs(now - sent.payload.timestamp) < 600_000
        for metric in sent.payload.metrics:
            assert metric.HasField("timestamp")
            assert abs(now - metric.timestamp) < 600_000


@tck("payloads-metric-datatype-not-req")
def _data_has_no_types(conversation: Conversation) -> None:
    for sent in conversation.sent(*DATA):
        assert not [m for m in sent.payload.metrics if m.HasField("datatype")]


@tck(
    "topics-ndata-payload",
    "topics-ddata-payload",
    "operational-behavior-data-publish-nbirth-change",
    "operational-behavior-data-publish-dbirth-change",
    "principles-rbe-recommended",
)
def _what_changes_is_told_and_nothing_else(conversation: Conversation) -> None:
    (stream,) = conversation.sent("DDATA", step="change")
    (own,) = conversation.sent("NDATA", step="change")
    told = {named(conversation, stream, m): value_of(m) for m in stream.payload.metrics}
    assert told == {"Verdicts/accept": 2, "Verdicts/review": 1}
    assert [named(conversation, own, m) for m in own.payload.metrics] == ["Spool/Backlog"]
    assert stream.device == "top"


@tck(
    "operational-behavior-data-publish-nbirth-order",
    "operational-behavior-data-publish-dbirth-order",
)
def _values_are_in_chronological_order(conversation: Conversation) -> None:
    for sent in conversation.sent(*BIRTHS, *DATA):
        times = [m.timestamp for m in sent.payload.metrics if not m.is_historical]
        assert times == sorted(times)


def named(conversation: Conversation, sent: Sent, metric: Any) -> str:
    """Return the name that the births gave to an alias."""
    for birth in conversation.sent(*BIRTHS):
        for known in birth.payload.metrics:
            if birth.device == sent.device and known.alias == metric.alias:
                return str(known.name)
    raise AssertionError(f"alias {metric.alias} was never born")


# --- devices and commands -----------------------------------------------------------------------


@tck("operational-behavior-device-ddeath")
def _a_lost_camera_dies_and_is_born_again(conversation: Conversation) -> None:
    step = conversation.sent(step="lose_camera")
    assert [(sent.verb, sent.device) for sent in step] == [("DDEATH", "side"), ("DBIRTH", "side")]


@tck("message-flow-device-birth-publish-dbirth-match-edge-node-topic")
def _devices_are_of_their_edge_node(conversation: Conversation) -> None:
    births = {s.packet.topic.replace("NBIRTH", "DBIRTH") for s in of_verb(conversation, "NBIRTH")}
    for sent in of_verb(conversation, "DBIRTH"):
        assert sent.packet.topic.rsplit("/", 1)[0] in births


@tck(
    "operational-behavior-data-commands-rebirth-action-1",
    "operational-behavior-data-commands-rebirth-action-2",
)
def _a_rebirth_is_complete_and_uninterrupted(conversation: Conversation) -> None:
    step = [(sent.verb, sent.device) for sent in conversation.sent(step="rebirth")]
    assert step == [("NBIRTH", ""), ("DBIRTH", "top"), ("DBIRTH", "side")]


# --- beyond the specification's ids -------------------------------------------------------------


def test_what_changed_while_the_host_was_away_is_told_as_history(
    conversation: Conversation,
) -> None:
    (late,) = conversation.sent("DDATA", step="appear")
    (metric,) = late.payload.metrics
    assert metric.is_historical
    assert named(conversation, late, metric) == "Verdicts/accept"
    assert value_of(metric) == 1
    assert metric.timestamp < late.payload.timestamp


def test_an_alarm_is_told_and_one_of_a_new_name_is_born(conversation: Conversation) -> None:
    (data,) = conversation.sent("DDATA", step="meet_alarm")
    told = {named(conversation, data, m): value_of(m) for m in data.payload.metrics}
    assert told == {
        "Alarms/frozen/Active": True,
        "Alarms/frozen/State": "unacknowledged",
        "Alarms/frozen/Message": "a test",
    }
    (birth,) = (b for b in conversation.sent("DBIRTH", step="meet_alarm") if b.device == "top")
    assert "Alarms/never heard of/Active" in birth.names


def test_a_lost_connection_is_announced_by_the_broker(conversation: Conversation) -> None:
    """The second connection was cut: its will is the host's only word of that."""
    assert not conversation.sent("NDEATH", step="cut")
    deaths = [payload for name, payload, _ in conversation.heard if name == topic("NDEATH")]
    assert len(deaths) == 1 + len(of_verb(conversation, "NDEATH"))


@pytest.mark.parametrize("assertion", CHECKS)
def test_the_specification(assertion: str, conversation: Conversation) -> None:
    CHECKS[assertion](conversation)
