from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reports import Reporter, picture

from edge_guard.collector.parse import (
    MOST_JSON_BYTES,
    MOST_PICTURE_BYTES,
    Message,
    Picture,
    RefusedError,
    occurred_ms,
    parse,
)
from edge_guard.publish.messages import Event, HeatGrid, State, decode

PREFIX = "edge-guard/v1"
BASE = f"{PREFIX}/plant/line-3/cam-1"


def cause(topic: str, payload: bytes) -> str:
    with pytest.raises(RefusedError) as refusal:
        parse(topic, payload, PREFIX)
    return str(refusal.value)


def changed(sent: tuple[str, bytes], **changes: Any) -> bytes:
    return json.dumps(json.loads(sent[1]) | changes).encode()


def test_every_kind_of_message_is_understood() -> None:
    device = Reporter()
    event, image = device.event(picture(1))
    assert image is not None
    all_kinds = [event, image, device.result(), device.summary(), device.alarm(), device.state()]
    for topic, payload in [*all_kinds, device.dropped((1, 2))]:
        message = parse(topic, payload, PREFIX)
        assert isinstance(message, Message)
        assert message.origin.device == "cam-1"
    assert isinstance(parse(*event, PREFIX).body, Event)  # type: ignore[union-attr]
    body = parse(*image, PREFIX).body  # type: ignore[union-attr]
    assert isinstance(body, Picture)
    assert (body.boot_id, body.sequence) == (device.boot, 1)


def test_what_is_not_for_the_collector_is_left_alone() -> None:
    for kind in ("receipt", "command"):
        assert parse(f"{BASE}/{kind}", b"{}", PREFIX) is None
    assert parse(f"{BASE}/state", b"", PREFIX) is None  # a retained message is cleared


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("other/v1/a/b/c/state", "unknown topic"),
        (f"{PREFIX}/a/b/state", "unknown topic"),
        (f"{BASE}/nonsense", "unknown topic"),
        (f"{BASE}/event", "unknown topic"),
        (f"{BASE}/event/top/more", "unknown topic"),
        (f"{PREFIX}/a//c/event/top", "unsuitable name"),
        (f"{BASE}/event/..", "unsuitable name"),
        (f"{BASE}/event/a\x07b", "unsuitable name"),
        (f"{BASE}/event/{'x' * 200}", "unsuitable name"),
    ],
)
def test_foreign_topics_are_refused(topic: str, expected: str) -> None:
    assert cause(topic, b"{}") == expected


GRID = {"width": 2, "height": 2, "cells": "AAAAAA==", "area": [0.0, 0.0, 64.0, 48.0]}


LIKE = {"name": "good/7.png", "view": "features", "words": "the model's features"}


def test_the_references_that_a_frame_resembles_are_kept() -> None:
    event, _ = Reporter().event()
    shown, bare = LIKE | {"picture": "/9j/"}, LIKE
    message = parse(event[0], changed(event, nearest=[shown, bare]), PREFIX)
    assert message is not None
    assert isinstance(message.body, Event)
    assert [like.picture for like in message.body.nearest] == [b"\xff\xd8\xff", None]
    assert message.body.nearest[1].words == "the model's features"


def test_a_heatmap_is_kept() -> None:
    event, _ = Reporter().event()
    message = parse(event[0], changed(event, heatmap=GRID), PREFIX)
    assert message is not None
    assert isinstance(message.body, Event)
    assert message.body.heatmap == HeatGrid(2, 2, bytes(4), (0.0, 0.0, 64.0, 48.0))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"device": "cam-2"}, "device differs from its topic"),
        ({"stream": "side"}, "stream differs from its topic"),
        ({"sequence": 0, "event_id": "b00t00000001-0"}, "sequence out of range"),
        ({"sequence": 2**60, "event_id": f"b00t00000001-{2**60}"}, "sequence out of range"),
        ({"event_id": "other-1"}, "malformed event id"),
        ({"schema_version": 2}, "newer schema version"),
        ({"boot_id": "a/b", "event_id": "a/b-1"}, "unsuitable name"),
        ({"verdict": "reject"}, "malformed event"),
        ({"label": "nul \0"}, "malformed event"),
        ({"label": "x" * 5000}, "malformed event"),
        ({"frame_sequence": 10**30}, "malformed event"),
        (
            {"image": {"sha256": "../../x", "size_bytes": 1, "width_px": 1, "height_px": 1}},
            "malformed picture reference",
        ),
        ({"heatmap": GRID | {"width": 3}}, "malformed heatmap"),
        ({"heatmap": GRID | {"width": 0, "cells": ""}}, "malformed heatmap"),
        ({"heatmap": GRID | {"width": 10**9}}, "malformed heatmap"),
        ({"heatmap": GRID | {"area": [0, 0, 0, 48]}}, "malformed heatmap"),
        ({"heatmap": GRID | {"cells": "?"}}, "malformed event"),
        ({"part_id": "x" * 129}, "unsuitable part id"),
        ({"part_id": "a\x1bb"}, "unsuitable part id"),
        ({"nearest": [LIKE] * 4}, "malformed references"),
        ({"nearest": [LIKE | {"picture": "AAAA"}]}, "malformed references"),
        ({"nearest": [LIKE | {"picture": "/9j/" + "A" * 4000}]}, "malformed references"),
        ({"nearest": [LIKE | {"picture": "?"}]}, "malformed event"),
    ],
)
def test_events_that_lie_or_do_not_fit_are_refused(changes: dict[str, Any], expected: str) -> None:
    event, _ = Reporter().event()
    assert cause(event[0], changed(event, **changes)) == expected


def test_unknown_fields_are_tolerated() -> None:
    event, _ = Reporter().event()
    assert parse(event[0], changed(event, later_addition=[1]), PREFIX) is not None


def test_pictures_must_be_pictures_of_bounded_size() -> None:
    topic = f"{BASE}/image/top/b00t-1"
    assert cause(topic, b"<svg onload=alert(1)>") == "not a picture"
    assert cause(topic, b"\xff\xd8\xff" + b"0" * MOST_PICTURE_BYTES) == "picture too big"
    for event_id in ("b00t", "-1", "b00t-x", "b00t-²", "b00t-1.5"):
        assert cause(f"{BASE}/image/top/{event_id}", picture(1)) == "malformed event id"
    assert cause(f"{BASE}/image/top/b00t-{'9' * 40}", picture(1)) == "sequence out of range"


def test_oversize_and_deep_json_are_refused() -> None:
    assert cause(f"{BASE}/state", b" " * (MOST_JSON_BYTES + 1)) == "message too big"
    assert cause(f"{BASE}/state", b"[" * 100_000) == "malformed state"
    digits = changed(Reporter().state()).replace(b'"produced": 0', b'"produced": ' + b"9" * 5000)
    assert cause(f"{BASE}/state", digits) == "malformed state"


def test_a_wall_time_is_believed_when_it_can_be_true() -> None:
    now = 1_760_000_000_000
    assert occurred_ms("2025-10-09T08:00:00Z", now) == 1_759_996_800_000
    assert occurred_ms("1970-01-01T00:00:10Z", now) == now
    assert occurred_ms("2199-01-01T00:00:00+00:00", now) == now
    for nonsense in ("", "yesterday", "2025-10-09T08:00:00", "2025-99-09T08:00:00Z"):
        with pytest.raises(RefusedError):
            occurred_ms(nonsense, now)


KINDS = ["state", "event/top", "result/top", "summary/top", "alarm/top/a", "image/top/b-1"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
GOOD = [
    json.loads(sent[1])
    for sent in (
        Reporter().event(picture(1))[0],
        Reporter().summary(),
        Reporter().alarm(),
        Reporter().state(),
        Reporter().dropped((1, 2)),
    )
]


@given(st.sampled_from([*KINDS, "dropped"]), st.binary())
@example("event/top", b"\xff\xfe")
def test_bytes_are_parsed_or_refused(kind: str, payload: bytes) -> None:
    try:
        parse(f"{BASE}/{kind}", payload, PREFIX)
    except RefusedError as refusal:
        assert str(refusal)


@given(st.text())
def test_topics_are_parsed_or_refused(topic: str) -> None:
    for payload in (b"{}", picture(1)):
        try:
            parse(f"{PREFIX}/{topic}", payload, PREFIX)
        except RefusedError as refusal:
            assert len(str(refusal)) <= 64  # a cause is a key: no text of a device's making


@given(st.sampled_from(GOOD), st.data())
def test_distorted_messages_can_be_kept_or_are_refused(good: dict[str, Any], data: Any) -> None:
    key = data.draw(st.sampled_from(sorted(good)))
    bad = json.dumps(good | {key: data.draw(JSON)}).encode()
    for kind in [*KINDS[:-1], "dropped"]:
        try:
            message = parse(f"{BASE}/{kind}", bad, PREFIX)
        except RefusedError:
            continue
        assert message is not None
        body = msgspec.json.encode(message.body)
        assert decode(body, type(message.body)) == message.body  # type: ignore[type-var]
        assert b"\\u0000" not in body


def test_a_state_may_come_without_streams() -> None:
    topic, payload = Reporter().state(streams=())
    message = parse(topic, payload, PREFIX)
    assert message is not None
    assert isinstance(message.body, State)


@pytest.mark.parametrize("part", ["", ".", "..", "A/17 #+", "x" * 128, "Gehäuse <7>"])
def test_each_part_id_that_a_device_reads_is_taken(part: str) -> None:
    event, _ = Reporter().event(part_id=part)
    message = parse(*event, PREFIX)
    assert message is not None
    assert isinstance(message.body, Event) and message.body.part_id == part
