"""Writes a configuration as TOML, with a remark beside each value."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from edge_guard.toml_reader import Key

_BARE = re.compile(r"[A-Za-z0-9_-]+")
Remark = Callable[[Key], str]
"""Returns what is to be said of the value at a place; empty: nothing."""


def toml_text(data: dict[str, Any], remark: Remark) -> str:
    """Return the data as TOML: plain values first in each table, then its tables.

    Parameters
    ----------
    data : dict
        Of texts, numbers, booleans, lists and tables.
    remark : callable
    """
    return "\n".join(_table(data, (), (), remark)).strip("\n") + "\n"


def toml_value(value: object) -> str:
    """Return one value as TOML.

    >>> toml_value(["a\\nb", True, 0.5])
    '["a\\\\nb", true, 0.5]'
    """
    if isinstance(value, dict):
        inner = ", ".join(f"{_name(key)} = {toml_value(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _table(table: dict[str, Any], at: Key, header: Key, remark: Remark) -> Iterator[str]:
    for name, value in table.items():
        if not isinstance(value, dict) and not _is_tables(value):
            said = remark((*at, name))
            yield f"{_name(name)} = {toml_value(value)}" + (f"  # {said}" if said else "")
    for name, value in table.items():
        title = ".".join(map(_name, (*header, name)))
        if isinstance(value, dict):
            yield from ("", f"[{title}]")
            yield from _table(value, (*at, name), (*header, name), remark)
        elif _is_tables(value):
            for place, inner in enumerate(value):
                yield from ("", f"[[{title}]]")
                yield from _table(inner, (*at, name, place), (*header, name), remark)


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _name(name: object) -> str:
    text = str(name)
    return text if _BARE.fullmatch(text) else toml_value(text)
