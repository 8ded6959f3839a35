"""Payloads of commands, good and hostile."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_guard.commands.reading import Clock, RefusedError, command_id, read_command
from edge_guard.publish.messages import MOST_COMMAND_BYTES, Action, Command, encode

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()
GOOD = {
    "id": "c-1",
    "device": "cam",
    "by": "Ada",
    "issued_wall_time": "2026-06-01T11:59:00Z",
    "expires_wall_time": "2026-06-01T12:01:00Z",
    "action": {"kind": "capture", "stream": "s"},
}
IN_TIME, LATE = Clock(NOON, True), Clock(NOON + 60, True)


def payload(**changes: object) -> bytes:
    return msgspec.json.encode(GOOD | changes)


def test_a_good_command_is_read() -> None:
    command = read_command(payload(), "cam", IN_TIME)
    assert (command.id, command.action.stream) == ("c-1", "s")
    assert read_command(encode(command), "cam", IN_TIME) == command
    assert command_id(payload()) == "c-1"


def test_only_a_synchronised_clock_can_tell_that_a_command_has_expired() -> None:
    with pytest.raises(RefusedError, match="has expired at 2026-06-01T12:01:00Z"):
        read_command(payload(), "cam", LATE)
    assert read_command(payload(), "cam", Clock(NOON + 10**9, False)).id == "c-1"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"device": "other"}, "for device 'other', this is 'cam'"),
        ({"sudo": True}, "unknown field `sudo`"),
        ({"schema_version": 2}, "schema_version"),
        ({"action": {"kind": "format", "stream": "s"}}, "'format'"),
        ({"action": {"kind": "capture"}}, "missing required field `stream`"),
        ({"action": {"kind": "capture", "stream": "s", "alarm": "x"}}, "unknown field `alarm`"),
        ({"action": {"kind": "shelve", "stream": "s", "alarm": "x", "seconds": 0}}, "seconds"),
        ({"action": {"kind": "shelve", "stream": "s", "alarm": "x", "seconds": 1e9}}, "seconds"),
        ({"action": {"kind": "tighten", "stream": "s", "p_limit": 2}}, "p_limit"),
        (
            {
                "action": {
                    "kind": "bundle",
                    "stream": "s",
                    "url": "file:///etc/passwd",
                    "sha256": "0" * 64,
                    "size_bytes": 1,
                }
            },
            "url",
        ),
        ({"expires_wall_time": "tomorrow"}, "tomorrow"),
        ({"expires_wall_time": "2026-06-01T12:01:00"}, "no time zone"),
        ({"by": "a\u0000b"}, "by"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, object], words: str) -> None:
    with pytest.raises(RefusedError, match=re.escape(words)):
        read_command(payload(**changes), "cam", IN_TIME)


@pytest.mark.parametrize("name", ["", "a b", "a\n", "ä", "x" * 65, 1, None, "a/b"])
def test_an_unusable_id_gets_no_answer(name: object) -> None:
    assert command_id(payload(id=name)) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(st.text(max_size=8) | st.sampled_from(sorted(GOOD)), children, max_size=6)
    ),
    max_leaves=12,
)


@given(st.binary(max_size=200) | JSON.map(msgspec.json.encode))
def test_whatever_comes_is_a_command_or_refused(hostile: bytes) -> None:
    command_id(hostile)
    with pytest.raises(RefusedError):
        read_command(hostile, "cam", IN_TIME)


@given(st.sampled_from(sorted(GOOD)), JSON)
def test_a_command_with_one_odd_part_is_still_a_command_or_refused(key: str, odd: object) -> None:
    try:
        command = read_command(payload(**{key: odd}), "cam", IN_TIME)
    except RefusedError:
        return
    assert isinstance(command, Command)
    assert isinstance(command.action, Action)


def test_nesting_and_size_do_no_harm() -> None:
    deep = b'{"id":"a","action":' + b"[" * 5000 + b"]" * 5000 + b"}"
    assert command_id(deep) in ("a", None)
    with pytest.raises(RefusedError):
        read_command(deep, "cam", IN_TIME)
    assert command_id(payload(by="x" * MOST_COMMAND_BYTES)) is None
