"""What others need to read edge-guard's messages: a JSON Schema for each, and an AsyncAPI document.

Both are made from the message types: topics from `Topics`, fields from the structs, descriptions
from their docstrings. ``docs/messages`` holds them as files.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import msgspec

from edge_guard.publish.messages import (
    PREFIX,
    SCHEMA_VERSION,
    Alarm,
    Command,
    Dropped,
    Event,
    FrameResult,
    Receipt,
    Reply,
    State,
    Summary,
    Topics,
)

DIALECT = "https://json-schema.org/draft/2020-12/schema"
QOS = 1
"""Of every message, in both directions."""


class Channel(NamedTuple):
    """A topic of a device, and what travels on it.

    Attributes
    ----------
    name : str
        Of the message, as ``edge-guard schema NAME`` knows it.
    address : str
        The topic, with ``{site}``, ``{line}``, ``{device}`` and what else varies in braces.
    kind : type of msgspec.Struct or None
        The payload; None for a JPEG.
    retained : bool
    sender : str
    """

    name: str
    address: str
    kind: type[msgspec.Struct] | None
    retained: bool = False
    sender: Literal["device", "collector", "control room"] = "device"

    @property
    def meaning(self) -> str:
        """What the message says, in one line."""
        if self.kind is None:
            return "The picture of an event: a JPEG."
        return _opening(self.kind.__doc__ or "")


_TOPICS = Topics("{site}", "{line}", "{device}")
CHANNELS = (
    Channel("state", _TOPICS.state(), State, retained=True),
    Channel("event", _TOPICS.event("{stream}"), Event),
    Channel("image", _TOPICS.image("{stream}", "{event_id}"), None),
    Channel("result", _TOPICS.result("{stream}"), FrameResult),
    Channel("summary", _TOPICS.summary("{stream}"), Summary),
    Channel("alarm", _TOPICS.alarm("{stream}", "{alarm}"), Alarm, retained=True),
    Channel("dropped", _TOPICS.dropped(), Dropped),
    Channel("receipt", _TOPICS.receipt(), Receipt, sender="collector"),
    Channel("command", _TOPICS.command(), Command, sender="control room"),
    Channel("reply", _TOPICS.reply(), Reply),
)
PARAMETERS = {
    "site": "The plant: [device] site of the device's configuration.",
    "line": "The line in the plant: [device] line.",
    "device": "The device: [device] id.",
    "stream": "The camera: [[stream]] name.",
    "event_id": "The event that the picture belongs to: {boot_id}-{sequence}.",
    "alarm": "Name of the condition.",
}


def json_schema(kind: type[msgspec.Struct], name: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a message.

    Parameters
    ----------
    kind : type of msgspec.Struct
    name : str
        Of the message; part of the schema's ``$id``.
    """
    _, parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    notes = {part.__name__: _notes(part) for part in _structs(kind)}
    for title, part in parts.items():
        if "description" in part:
            part["description"] = _opening(part["description"])
        for field, schema in part.get("properties", {}).items():
            if note := notes.get(title, {}).get(field):
                schema.setdefault("description", note)
    top = parts.pop(kind.__name__)
    identity = {"$schema": DIALECT, "$id": f"urn:edge-guard:message:{name}:{SCHEMA_VERSION}"}
    return {**identity, **top, **({"$defs": parts} if parts else {})}


def asyncapi(version: str) -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document; payloads refer to the schemas' files beside it.

    Parameters
    ----------
    version : str
        Of edge-guard.
    """
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "edge-guard",
            "version": version,
            "description": "What inspection devices say, and hear, over MQTT. The first levels of "
            f"every topic, here {PREFIX}, are [mqtt] prefix of the configuration. Consumers must "
            "take unknown fields. Events may come again: (device, boot_id, sequence) names one.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "plant": {
                "host": "broker.plant.example:8883",
                "protocol": "secure-mqtt",
                "protocolVersion": "5",
                "description": "The plant's broker; MQTT 3.1.1 does, too.",
            }
        },
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": dict(_operation(channel) for channel in CHANNELS),
        "components": {"messages": {channel.name: _message(channel) for channel in CHANNELS}},
    }


def documents(version: str) -> dict[str, bytes]:
    """Return every file of ``docs/messages``: its name, and its content as indented JSON."""
    contents: dict[str, dict[str, Any]] = {"asyncapi.json": asyncapi(version)}
    for channel in CHANNELS:
        if channel.kind is not None:
            contents[f"{channel.name}.json"] = json_schema(channel.kind, channel.name)
    return {name: formatted(content) for name, content in contents.items()}


def formatted(content: dict[str, Any]) -> bytes:
    """Return a document as indented JSON with a final line break."""
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def topics_table() -> str:
    """Return the topics as a table in Markdown."""
    rows = ["| topic | what | from | QoS, retained | schema |", "|---|---|---|---|---|"]
    for channel in CHANNELS:
        below = channel.address.removeprefix(_TOPICS.base + "/")
        schema = (
            "JPEG" if channel.kind is None else f"[{channel.name}](messages/{channel.name}.json)"
        )
        retained = f"{QOS}, retained" if channel.retained else f"{QOS}"
        meaning = channel.meaning.replace("``", "`")
        rows.append(f"| `{below}` | {meaning} | {channel.sender} | {retained} | {schema} |")
    return "\n".join(rows)


def _opening(docstring: str) -> str:
    """Return its first paragraph on one line."""
    return inspect.cleandoc(docstring).split("\n\n")[0].replace("\n", " ")


def _channel(channel: Channel) -> dict[str, Any]:
    parameters = {
        name: {"description": meaning}
        for name, meaning in PARAMETERS.items()
        if f"{{{name}}}" in channel.address
    }
    return {
        "address": channel.address,
        "description": channel.meaning,
        "messages": {channel.name: {"$ref": f"#/components/messages/{channel.name}"}},
        "parameters": parameters,
    }


def _operation(channel: Channel) -> tuple[str, dict[str, Any]]:
    """Return what a device does with a channel, under its name."""
    action = "send" if channel.sender == "device" else "receive"
    return f"{action}_{channel.name}", {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "messages": [{"$ref": f"#/channels/{channel.name}/messages/{channel.name}"}],
        "bindings": {
            "mqtt": {"qos": QOS, "retain": channel.retained, "bindingVersion": "0.2.0"},
        },
    }


def _message(channel: Channel) -> dict[str, Any]:
    message: dict[str, Any] = {"name": channel.name, "summary": channel.meaning}
    if channel.kind is None:
        return {**message, "contentType": "image/jpeg"}
    return {
        **message,
        "contentType": "application/json",
        "payload": {
            "schemaFormat": "application/schema+json;version=2020-12",
            "schema": {"$ref": f"./{channel.name}.json"},
        },
    }


def _structs(kind: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
    """Return a struct and every struct inside it."""
    found: dict[type[msgspec.Struct], None] = {}
    waiting: list[Any] = [msgspec.inspect.type_info(kind)]
    while waiting:
        info = waiting.pop()
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls in found:
                continue
            found[info.cls] = None
            waiting += [field.type for field in info.fields]
        for inner in ("item_type", "key_type", "value_type", "types", "item_types"):
            part = getattr(info, inner, ())
            waiting += part if isinstance(part, tuple) else (part,)
    return list(found)


@cache
def _notes(kind: type[Any]) -> dict[str, str]:
    """Return what the source says below each field of a class and its bases."""
    notes: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if not base.__module__.startswith("edge_guard"):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        lines = body.body if isinstance(body, ast.ClassDef) else []
        for field, note in pairwise(lines):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(note, ast.Expr)
                and isinstance(note.value, ast.Constant)
            ):
                notes[field.target.id] = inspect.cleandoc(str(note.value.value)).replace("\n", " ")
    return notes
