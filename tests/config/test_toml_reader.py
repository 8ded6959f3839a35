from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from edge_guard.toml_reader import Document, convert, locate_keys


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    n: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0
    word: Literal["a", "b"] = "a"


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    many: tuple[Inner, ...] = ()
    one: Annotated[Inner | None, msgspec.Meta(description="An inner table.")] = None
    ratio: float | None = None


VALUES = st.one_of(
    st.booleans(), st.integers(-2, 12), st.floats(), st.sampled_from(["a", "b", "c"])
)
KEYS = st.sampled_from(["n", "word", "name", "many", "one", "ratio", "extra"])
TREES = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def with_name(data: dict[str, Any]) -> dict[str, Any]:
    return data | {"name": "a"}


@given(data=st.dictionaries(KEYS, TREES) | st.dictionaries(KEYS, TREES).map(with_name))
def test_problems_are_found_exactly_where_msgspec_refuses(data: dict[str, Any]):
    value, problems = convert(Document(Path("x.toml"), data, {}), Outer)
    try:
        expected = msgspec.convert(data, Outer, strict=True)
    except msgspec.ValidationError:
        assert value is None
        assert problems
    else:
        assert not problems
        assert repr(value) == repr(expected)


def test_lines_of_every_way_to_write_a_key():
    text = '''# a comment = 1
top = [
  1, # "
  2,
]
a.b = { c = 1, d.e = [ { f = 2 } ] }

[table] # comment
"quoted.key" = """
[not.a.table]
x = 1
"""
next = 1
[[many]]
k = 1
[many.sub]
k = 2
[[many]]
k = 3
[[many.inner]]
k = 4
'''
    lines = locate_keys(text)
    assert lines == {
        ("top",): 2,
        ("a",): 6,
        ("a", "b"): 6,
        ("a", "b", "c"): 6,
        ("a", "b", "d"): 6,
        ("a", "b", "d", "e"): 6,
        ("a", "b", "d", "e", 0): 6,
        ("a", "b", "d", "e", 0, "f"): 6,
        ("top", 0): 2,
        ("top", 1): 2,
        ("table",): 8,
        ("table", "quoted.key"): 9,
        ("table", "next"): 13,
        ("many", 0): 14,
        ("many", 0, "k"): 15,
        ("many", 0, "sub"): 16,
        ("many", 0, "sub", "k"): 17,
        ("many", 1): 18,
        ("many", 1, "k"): 19,
        ("many", 1, "inner", 0): 20,
        ("many", 1, "inner", 0, "k"): 21,
    }


def ways(value: Any) -> set[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = set()
    for name, inner in items:
        found.add((name,))
        if isinstance(inner, dict | list):
            found |= {(name, *rest) for rest in ways(inner)}
    return found


LINES = st.sampled_from(
    [
        "a = 1",
        "b = '''",
        "'''",
        "[t]",
        "[t.u]",
        "[[m]]",
        "[m.s]",
        "[[m.n]]",
        "c = [",
        "]",
        "# '",
        "",
        "d.e = { f = '[t]' }",
        'g = "#"',
        "1,",
        "\tx = 1",
    ]
)


@given(st.lists(LINES, max_size=14).map("\n".join))
def test_every_value_of_a_valid_file_has_a_line(text: str):
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = locate_keys(text)
    leaves = {way for way in ways(data) if way and isinstance(way[-1], str)}
    count = text.count("\n") + 1
    for way in leaves:
        known = [way[: depth + 1] for depth in range(len(way)) if way[: depth + 1] in lines]
        assert known or any(key[: len(way)] == way for key in lines), way
    assert all(1 <= line <= count for line in lines.values())
