"""Writes the reference of the messages' fields from their JSON Schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from edge_guard.publish.schemas import documents


def fields(version: str) -> str:
    """Return a section for each message, and one for each table that messages share."""
    schemas = {
        name.removesuffix(".json"): json.loads(content)
        for name, content in documents(version).items()
        if name != "asyncapi.json"
    }
    shared: dict[str, Any] = {}
    for schema in schemas.values():
        shared |= schema.get("$defs", {})
    messages = [_section("##", name, schema) for name, schema in schemas.items()]
    parts = [_section("###", name, shared[name]) for name in sorted(shared)]
    return "\n\n".join([*messages, "## Parts of messages", *parts])


def _section(level: str, title: str, schema: dict[str, Any]) -> str:
    rows = list(_rows(schema))
    table = ["", "| field | type | meaning |", "|---|---|---|", *rows] if rows else []
    if "enum" in schema:
        table = ["", f"One of {_type(schema)}."]
    meaning = [_words(schema["description"])] if "description" in schema else []
    return "\n".join([f"{level} {title}", "", *meaning, *table])


def _rows(schema: dict[str, Any]) -> Iterator[str]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        meaning = _words(field.get("description", ""))
        kind = _type(field) + ("" if name in required else ", may be missing")
        yield f"| `{name}` | {kind} | {meaning} |"


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in field:
        return " or ".join(_type(one) for one in field["anyOf"])
    if "enum" in field:
        return " or ".join(f"`{json.dumps(value)}`" for value in field["enum"])
    if field.get("type") == "array":
        inner = field.get("items") or {}
        return f"list of {_type(inner)}" if inner else "list"
    if isinstance(field.get("additionalProperties"), dict):
        return f"names with {_type(field['additionalProperties'])}"
    names = {"string": "text", "boolean": "true or false", "object": "table"}
    kind = field.get("type", "anything")
    return names.get(kind, kind)


def _words(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")
