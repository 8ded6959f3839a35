"""Reads TOML tables into typed structs and reports every problem with its line and nearest key."""

from __future__ import annotations

import difflib
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec

from edge_guard.errors import ConfigError

MAX_BYTES = 1 << 20

Key = tuple[str | int, ...]
"""Way to a value: table names, key names, and positions in arrays of tables."""
S = TypeVar("S", bound=msgspec.Struct)


class Problem(msgspec.Struct, frozen=True):
    """One thing wrong in a file.

    Attributes
    ----------
    line : int or None
        From 1; None when it concerns the whole file.
    key : str
        Dotted way to the value, for example ``stream.0.bundle``; empty for the whole file.
    reason : str
    nearest : str or None
        The known key that an unknown one resembles.
    """

    line: int | None
    key: str
    reason: str
    nearest: str | None = None

    def sentence(self, file: Path | str) -> str:
        """Return ``file:line: key: reason (did you mean …?)``."""
        place = f"{file}:{self.line}" if self.line else f"{file}"
        parts = [place, self.key, self.reason] if self.key else [place, self.reason]
        hint = f" (did you mean {self.nearest!r}?)" if self.nearest else ""
        return ": ".join(parts) + hint


class Document(NamedTuple):
    """A parsed TOML file and the line of each key and table header."""

    path: Path
    data: dict[str, Any]
    lines: dict[Key, int]
    elsewhere: bool = False
    """Whether it is for another machine, whose absolute paths cannot be looked at from here."""

    def get(self, key: Key) -> Any:
        """Return the value at a key, None where there is none."""
        node: Any = self.data
        for name in key:
            try:
                node = node[name]
            except (KeyError, IndexError, TypeError):
                return None
        return node

    def text(self, key: Key) -> str | None:
        """Return the value at a key when it is a string."""
        value = self.get(key)
        return value if isinstance(value, str) else None

    def problem(self, key: Key, reason: str, nearest: str | None = None) -> Problem:
        """Return the problem at a key, with its line or that of the table it should be in."""
        place = key
        while place and place not in self.lines:
            place = place[:-1]
        return Problem(self.lines.get(place), ".".join(map(str, key)), reason, nearest)


def read_document(path: Path) -> Document:
    """Return a TOML file's content with line numbers.

    Raises
    ------
    ConfigError
        It cannot be read, is larger than 1 MiB, or is not TOML; names the line.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "check the path") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path} is larger than 1 MiB", "is it a configuration file?")
    try:
        text = raw.decode("utf-8")
        data = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8 text", "save it as UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not TOML: {error}", "see docs/configuration.md") from error
    return Document(path, data, locate_keys(text))


def convert(document: Document, kind: type[S]) -> tuple[S | None, list[Problem]]:
    """Return the document as a struct, or None, and everything that is wrong with it.

    Parameters
    ----------
    document : Document
    kind : type of msgspec.Struct
        Its fields' types and ``msgspec.Meta`` bounds are what is checked. ``Meta(extra={"reason":
        …})`` says in words what a pattern demands.
    """
    problems = list(_table_problems(document, (), document.data, kind))
    if problems:
        return None, problems
    return msgspec.convert(document.data, kind, strict=True), []


def locate_keys(text: str) -> dict[Key, int]:
    """Return the line, from 1, on which each key and table of a valid TOML text first stands.

    Statements are found by handing growing pieces to ``tomllib``: a piece that ends in the middle
    of a string or array is not TOML.
    """
    lines: dict[Key, int] = {}
    arrays: dict[Key, int] = {}
    table: Key = ()
    for number, statement in _statements(text):
        parsed = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            table = _enter(parsed, arrays)
            lines.setdefault(table, number)
        for key in _keys_of(parsed) if not statement.lstrip().startswith("[") else ():
            for depth in range(1, len(key) + 1):
                lines.setdefault(table + key[:depth], number)
    return lines


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each header and key = value with the number of its first line."""
    piece, first = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        if not piece and not line.split("#", 1)[0].strip():
            continue
        first = first if piece else number
        piece += line + "\n"
        try:
            tomllib.loads(piece)
        except tomllib.TOMLDecodeError:
            continue
        yield first, piece
        piece = ""


def _enter(header: dict[str, Any], arrays: dict[Key, int]) -> Key:
    """Return the way to the table that a parsed header opens, counting arrays of tables."""
    key: Key = ()
    node: Any = header
    while isinstance(node, dict) and node:
        name, node = next(iter(node.items()))
        key = (*key, name)
        if isinstance(node, list):
            arrays[key] = arrays.get(key, -1) + 1
            node = None
        if key in arrays:
            key = (*key, arrays[key])
    return key


def _keys_of(value: Any) -> Iterator[Key]:
    """Yield the ways to everything inside a parsed value, inline tables included."""
    items: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(value, dict):
        items = iter(value.items())
    elif isinstance(value, list):
        items = iter(enumerate(value))
    for name, inner in items:
        yield (name,)
        for rest in _keys_of(inner):
            yield (name, *rest)


def _table_problems(
    document: Document, at: Key, table: Any, kind: type[msgspec.Struct]
) -> Iterator[Problem]:
    if not isinstance(table, dict):
        yield document.problem(at, f"expected a table, got {_said(table)}")
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for name in table:
        if name not in fields:
            nearest = difflib.get_close_matches(name, fields, n=1, cutoff=0.5)
            yield document.problem((*at, name), "unknown key", nearest[0] if nearest else None)
    for name, field in fields.items():
        if name in table:
            yield from _value_problems(document, (*at, name), table[name], field.type)
        elif field.required:
            yield document.problem((*at, name), "is missing")


def _value_problems(document: Document, at: Key, value: Any, kind: Any) -> Iterator[Problem]:
    struct, repeated = _struct_in(kind)
    if struct is None:
        try:
            msgspec.convert(value, kind, strict=True)
        except msgspec.ValidationError as error:
            yield document.problem(at, _reason(kind, value, error))
    elif not repeated:
        yield from _table_problems(document, at, value, struct)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _table_problems(document, (*at, position), item, struct)
    else:
        yield document.problem(at, f"expected [[{at[-1]}]], got {_said(value)}")


def _struct_in(kind: Any) -> tuple[type[msgspec.Struct] | None, bool]:
    """Return the struct that a field holds, if any, and whether it holds many of them."""
    if get_origin(kind) is Annotated:
        return _struct_in(get_args(kind)[0])
    if get_origin(kind) is tuple:
        return _struct_in(get_args(kind)[0])[0], True
    options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    for option in options:
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option, False
    return None, False


def _reason(kind: Any, value: Any, error: msgspec.ValidationError) -> str:
    for part in (kind, *get_args(kind)):
        for meta in getattr(part, "__metadata__", ()):
            if isinstance(value, str) and meta.extra and "reason" in meta.extra:
                return f"{value!r} {meta.extra['reason']}"
    text = str(error).replace("`", "")
    return text[:1].lower() + text[1:] + f", got {_said(value)}" * ("got" not in text)


def _said(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "an array"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
