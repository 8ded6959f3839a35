"""Reads every error that the code can raise, with its remedy, for the page of troubleshooting."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edge_guard import errors
from edge_guard.errors import EdgeGuardError


class Problem(NamedTuple):
    """One call of an error's class: its texts, with ``…`` where the code puts in a value."""

    kind: str
    problem: str
    remedy: str


def kinds(kind: type[EdgeGuardError] = EdgeGuardError) -> Iterator[type[EdgeGuardError]]:
    """Yield the classes of the error tree, parents first."""
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from kinds(child)


def problems(package: Path) -> list[Problem]:
    """Return what the code of a package can raise: each problem once, in the files' order."""
    names = {kind.__name__ for kind in kinds()}
    found = {}
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = _name(node)
            if name in names and isinstance(node, ast.Call) and node.args:
                texts = [_text(argument) for argument in node.args[:2]]
                if texts[0].strip("… "):
                    found[name, texts[0]] = Problem(name, texts[0], "".join(texts[1:]))
    return list(found.values())


def _name(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "id", "") or getattr(node.func, "attr", "")


def _text(node: ast.expr) -> str:
    """Return a message as far as it stands in the code."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values).replace("……", "…")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    return "…"


def troubleshooting(package: Path) -> str:
    """Return one section for each code: what it means and every message that carries it."""
    every = problems(package)
    sections = []
    for kind in kinds():
        rows = [row for row in every if row.kind == kind.__name__]
        meaning = (kind.__doc__ or "").split("\n")[0]
        table = [f"| {_cell(row.problem)} | {_cell(row.remedy)} |" for row in rows]
        if table:
            table = ["", "| it says | do |", "|---|---|", *table]
        head = f"### {kind.code}\n\n{meaning} Exit code {kind.exit_code}."
        sections.append("\n".join([head, *table]))
    return "\n\n".join(sections)


def _cell(text: str) -> str:
    """Return a text for a table: where the code computes all of it, the message itself says it."""
    text = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
    return text if text.strip("… ") else "as it says"
