"""Tables laid over one another, with the origin of every value and of those that it hides."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, NamedTuple

from edge_guard.toml_reader import Document, Key

_WORD = re.compile(r"\{([A-Za-z_]*)\}")


class Origin(NamedTuple):
    """Where a value stands.

    Attributes
    ----------
    layer : str
        The header it is written under, for example ``[line.press-3]`` or ``[[device]]``.
    line : int or None
        In the file, from 1.
    value : object
        As it is written there.
    """

    layer: str
    line: int | None
    value: Any


def filled(text: str, words: Mapping[str, str]) -> str:
    """Return a text with each ``{word}`` that is known replaced."""
    return _WORD.sub(lambda found: words.get(found[1], found[0]), text)


def tables(source: Document, key: Key) -> dict[str, Any]:
    """Return the table at a place of a file; empty where something else stands there."""
    found = source.get(key)
    return found if isinstance(found, dict) else {}


class Layered:
    """One document, made of tables of another; the last word on each key holds.

    Tables are merged key by key; everything else, lists and arrays of tables too, is replaced
    whole.

    Parameters
    ----------
    source : Document
        The file that all values stand in.

    Attributes
    ----------
    data : dict
        What holds.
    origins : dict of Key to tuple of Origin
        Of each value that is no table, the one that holds last.
    lines : dict of Key to int
        Where in the file a problem with a key is to be looked for.
    """

    def __init__(self, source: Document) -> None:
        self._source = source
        self.data: dict[str, Any] = {}
        self.origins: dict[Key, tuple[Origin, ...]] = {}
        self.lines: dict[Key, int] = {}

    def begin(self, at: Key, written: Key) -> None:
        """Have a table at a place, be there anything in it or not."""
        self._table(at)
        self.lines[at] = self._source.lines.get(written, 1)

    def lay(self, at: Key, layer: Key, leave_out: frozenset[str] = frozenset()) -> None:
        """Lay a table of the file over what there is.

        Parameters
        ----------
        at : Key
            Where it belongs in the new document.
        layer : Key
            Where it is in the file; where there is no table, nothing happens.
        leave_out : frozenset of str
            Keys of it that belong elsewhere.
        """
        table = tables(self._source, layer)
        if not table:
            return
        node = self._table(at)
        if (line := self._source.lines.get(layer)) is not None:
            self.lines[at] = line
        for name in table:
            if name in leave_out:
                continue
            if isinstance(table[name], dict):
                if not isinstance(node.get(name), dict):
                    node[name] = {}
                self.lay((*at, name), (*layer, name))
            else:
                self.put((*at, name), table[name], (*layer, name))

    def put(self, at: Key, value: object, written: Key) -> None:
        """Set one value that stands in the file at ``written``."""
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            self._put_tables(at, len(value), written)
            return
        self._table(at[:-1])[at[-1]] = deepcopy(value)
        line = self._source.lines.get(written)
        origin = Origin(_header(written[:-1]), line, value)
        self.origins[at] = (*self.origins.get(at, ()), origin)
        if line is not None:
            self.lines[at] = line

    def fill(self, at: Key, words: Mapping[str, str]) -> list[tuple[Key, str]]:
        """Replace ``{word}`` in all texts of a table; return where a word is unknown, and which."""
        unknown: list[tuple[Key, str]] = []
        node = self._get(at)
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for name, value in list(items):
            if isinstance(value, str):
                node[name] = filled(value, words)
                unknown += [((*at, name), w) for w in _WORD.findall(value) if w not in words]
            elif isinstance(value, dict | list):
                unknown += self.fill((*at, name), words)
        return unknown

    def document(self) -> Document:
        """Return it as a document whose lines are the file's."""
        return Document(self._source.path, self.data, self.lines, elsewhere=True)

    def _put_tables(self, at: Key, count: int, written: Key) -> None:
        """Set an array of tables, in place of all that stood there."""
        self.lines = {key: n for key, n in self.lines.items() if key[: len(at)] != at}
        self._table(at[:-1])[at[-1]] = []
        for place in range(count):
            self.begin((*at, place), (*written, place))
            self.lay((*at, place), (*written, place))

    def _get(self, at: Key) -> Any:
        node: Any = self.data
        for name in at:
            node = node[name]
        return node

    def _table(self, at: Key) -> Any:
        """Return the table at a place, made if it is not there; lists grow by one table."""
        node: Any = self.data
        for position, name in enumerate(at):
            empty: Any = [] if isinstance((*at, "")[position + 1], int) else {}
            if isinstance(node, dict) and not isinstance(node.get(name), dict | list):
                node[name] = empty
            elif isinstance(node, list) and name == len(node):
                node.append(empty)
            node = node[name]
        return node


def _header(table: Key) -> str:
    """Return the header that a table is written under."""
    text = ".".join(name for name in table if isinstance(name, str))
    return f"[[{text}]]" if table and isinstance(table[-1], int) else f"[{text}]"
