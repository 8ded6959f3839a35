"""The published schemas and the AsyncAPI document against what a real device really says."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from capturing import Traffic

from edge_guard.publish import messages
from edge_guard.publish.messages import Stamp
from edge_guard.publish.schemas import CHANNELS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "messages"
ASYNCAPI: dict[str, Any] = json.loads((FOLDER / "asyncapi.json").read_text())
META_SCHEMA = Path(sys.prefix) / "peers" / "asyncapi-3.0.0.json"
CHANNEL_NAMES = sorted(ASYNCAPI["channels"])


def resolve(reference: str) -> Any:
    """What ``#/…`` of the AsyncAPI document refers to."""
    found: Any = ASYNCAPI
    for word in reference.removeprefix("#/").split("/"):
        found = found[word]
    return found


def channel_of(topic: str) -> str:
    """The channel whose address the topic fits; exactly one does."""
    fitting = [
        name
        for name, channel in ASYNCAPI["channels"].items()
        if re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(channel["address"])), topic)
    ]
    assert len(fitting) == 1, f"{topic}: {fitting}"
    return fitting[0]


def validator_of(channel: str) -> jsonschema.Draft202012Validator | None:
    """What checks a channel's payloads, found as a consumer would; None for pictures."""
    (message,) = ASYNCAPI["channels"][channel]["messages"].values()
    message = resolve(message["$ref"])
    if message["contentType"] != "application/json":
        return None
    file = FOLDER / message["payload"]["schema"]["$ref"]
    return jsonschema.Draft202012Validator(json.loads(file.read_text()))


def test_every_captured_message_fits_the_schema_of_its_channel(traffic: Traffic) -> None:
    wrong = []
    for topic, payloads in traffic.topics.items():
        validator = validator_of(channel_of(topic))
        for payload in payloads if validator else []:
            errors = validator.iter_errors(json.loads(payload))
            wrong += [f"{topic}: {error.json_path}: {error.message}" for error in errors]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("channel", CHANNEL_NAMES)
def test_every_channel_was_captured(channel: str, traffic: Traffic) -> None:
    assert [topic for topic in traffic.topics if channel_of(topic) == channel]


@pytest.mark.parametrize("channel", CHANNEL_NAMES)
def test_what_is_said_to_be_retained_is_retained_and_nothing_else(
    channel: str, traffic: Traffic
) -> None:
    (operation,) = (
        operation
        for operation in ASYNCAPI["operations"].values()
        if operation["channel"]["$ref"] == f"#/channels/{channel}"
    )
    topics = {topic for topic in traffic.topics if channel_of(topic) == channel}
    expected = topics if operation["bindings"]["mqtt"]["retain"] else set()
    assert topics & set(traffic.retained) == expected


@pytest.mark.parametrize("channel", CHANNEL_NAMES)
def test_a_schema_refuses_what_is_no_such_message(channel: str, traffic: Traffic) -> None:
    validator = validator_of(channel)
    if validator is None:
        return
    payload = json.loads(min(traffic.payloads(channel), key=len))
    for key in validator.schema["required"]:
        assert not validator.is_valid({k: v for k, v in payload.items() if k != key}), key
    assert not validator.is_valid([payload])


def test_unknown_fields_of_what_devices_say_are_taken(traffic: Traffic) -> None:
    """A later version may say more; consumers that check with the schema must go on."""
    payload = json.loads(traffic.payloads("state")[0]) | {"unheard_of": 1}
    validator = validator_of("state")
    assert validator is not None
    assert validator.is_valid(payload)


def test_alarms_have_the_names_that_others_are_told_of(traffic: Traffic) -> None:
    names = {topic.rsplit("/", 1)[1] for topic in traffic.topics if channel_of(topic) == "alarm"}
    assert "frozen" in names
    assert names <= set(messages.USUAL_ALARMS)


def test_pictures_are_what_their_events_say(traffic: Traffic) -> None:
    events = [json.loads(payload) for payload in traffic.payloads("event")]
    images = {event["event_id"]: event["image"] for event in events if event["image"]}
    assert images
    for topic, payloads in traffic.topics.items():
        if channel_of(topic) == "image":
            image = images[topic.rsplit("/", 1)[1]]
            assert hashlib.sha256(payloads[0]).hexdigest() == image["sha256"]


def test_every_schema_is_valid_and_explains_itself() -> None:
    for path in FOLDER.glob("*.json"):
        if path.name != "asyncapi.json":
            schema = json.loads(path.read_text())
            jsonschema.Draft202012Validator.check_schema(schema)
            for part in (schema, *schema.get("$defs", {}).values()):
                assert part["description"], (path.name, part["title"])


def test_every_message_type_has_a_channel() -> None:
    """Whoever adds a message adds its line to CHANNELS of edge_guard/publish/schemas.py."""
    exported = [getattr(messages, name) for name in messages.__all__]
    stamped = {
        kind
        for kind in exported
        if inspect.isclass(kind) and issubclass(kind, Stamp) and kind is not Stamp
    }
    assert stamped <= {channel.kind for channel in CHANNELS}


def test_references_of_the_asyncapi_document_lead_somewhere() -> None:
    for reference in re.findall(r'"\$ref": ?"([^"]+)"', json.dumps(ASYNCAPI)):
        if reference.startswith("#/"):
            assert resolve(reference)
        else:
            assert (FOLDER / reference).is_file()
    for channel in ASYNCAPI["channels"].values():
        assert set(re.findall(r"\{(\w+)\}", channel["address"])) == set(channel["parameters"])
    assert {o["channel"]["$ref"] for o in ASYNCAPI["operations"].values()} == {
        f"#/channels/{name}" for name in CHANNEL_NAMES
    }


def test_the_asyncapi_document_fits_the_official_schema() -> None:
    if not META_SCHEMA.exists():
        pytest.skip(f"{META_SCHEMA} is not here: tools/peers.sh gets it with npm")
    meta = json.loads(META_SCHEMA.read_text())
    validator = jsonschema.validators.validator_for(meta)(meta)
    assert [error.json_path + error.message for error in validator.iter_errors(ASYNCAPI)] == []
    assert not validator.is_valid({**ASYNCAPI, "channels": [1]})


def test_a_schema_reads_what_the_program_writes() -> None:
    """The types and the schemas agree on a value with every optional part left out."""
    for channel in CHANNELS:
        if channel.kind is not None:
            required = {f.encode_name for f in msgspec.structs.fields(channel.kind) if f.required}
            schema = json.loads((FOLDER / f"{channel.name}.json").read_text())
            assert set(schema["required"]) == required
