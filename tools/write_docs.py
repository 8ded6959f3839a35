"""Writes the generated parts of the documentation: tree, commands, keys, messages, errors.

They stand between ``<!-- generated: NAME -->`` and ``<!-- end -->``, or are whole files:
``docs/messages`` and ``docs/openapi.json``. ``make docs`` writes them again and
``tests/test_docs.py`` fails when they are out of date.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
from write_errors import troubleshooting
from write_messages import fields

from edge_guard import __version__
from edge_guard.cli.main import COMMANDS, INTERRUPTED, READER_GONE, build_parser
from edge_guard.config import CollectorConfig, DeviceConfig
from edge_guard.errors import EdgeGuardError
from edge_guard.publish.schemas import documents, formatted, topics_table

ROOT = Path(__file__).resolve().parents[1]
TREE_FILES = ("edge_guard", "csrc", "tools", "deploy")
"""Folders whose files the tree lists; of the others it lists the folders."""
TREE_FOLDERS = ("tests", "models", "docs")
FOLDER_NOTES = {
    "models": "The demo's model, card, bundle and footage.",
    "docs": "For users.",
    "deploy": "For production: broker and service.",
    "csrc": "The per-frame arithmetic: a library without Python, and its one binding.",
}
TOP_FILES = {
    "pyproject.toml": "Package, dependencies, settings of every checker.",
    "CMakeLists.txt": "Builds the kernels, their tests and the extension.",
    "mkdocs.yml": "Pages and menu of the documentation's site.",
    "Makefile": "`make test`, `make demo`, `make bench`, `make docs`.",
}
SOURCE_SUFFIXES = {".py", ".pyi", ".cpp", ".hpp", ".sh", ".css", ".js", ".conf", ".acl", ".service"}


def tree(root: Path = ROOT) -> str:
    """Return the annotated tree of the project, one line a file."""
    rows = [(name, note) for name, note in TOP_FILES.items() if (root / name).exists()]
    for name in TREE_FILES:
        rows += _tree_rows(root / name, 0, files=True)
    for name in TREE_FOLDERS:
        rows += _tree_rows(root / name, 0, files=False)
    width = max(len(place) for place, _ in rows) + 2
    lines = [f"{place:<{width}}{note}".rstrip() for place, note in rows]
    return "\n".join(["```", *lines, "```"])


def _tree_rows(folder: Path, depth: int, *, files: bool) -> Iterator[tuple[str, str]]:
    indent = "  " * depth
    yield f"{indent}{folder.name}/", FOLDER_NOTES.get(folder.name) or _note(folder / "__init__.py")
    children = [child for child in sorted(folder.iterdir()) if _is_source(child)]
    for child in children:
        if child.is_file() and files and child.name != "__init__.py":
            yield f"{indent}  {child.name}", _note(child)
    for child in children:
        if child.is_dir():
            yield from _tree_rows(child, depth + 1, files=files)


def _is_source(path: Path) -> bool:
    if path.name.startswith((".", "__pycache__")):
        return False
    return path.is_dir() or path.suffix in SOURCE_SUFFIXES or path.name == "CMakeLists.txt"


def _note(path: Path) -> str:
    """Return the first sentence that a file says about itself."""
    if not path.exists():
        return ""
    text = path.read_text("utf-8")
    if path.suffix in {".py", ".pyi"}:
        said = (ast.get_docstring(ast.parse(text)) or "").split("\n\n", 1)[0]
    else:
        said = _opening_comment(text)
    return re.split(r"(?<=\.) (?=[A-Z])", " ".join(said.split()))[0]


def _opening_comment(text: str) -> str:
    """Return the comment that a file begins with, before any code, without its markers."""
    words = []
    for line in text.splitlines():
        if line.startswith(("#!", "#pragma")) or not (line.strip() or words):
            continue
        comment = re.match(r"(?://|# ?(?!include|define|if))(.*)", line)
        if not comment or not comment[1].strip():
            break
        words.append(comment[1].strip())
    return " ".join(words)


def configuration() -> str:
    """Return the reference of both configuration files, made from the structs."""
    device = ["## The device's file", *_tables(DeviceConfig)]
    return "\n\n".join([*device, "## The collector's file", *_tables(CollectorConfig)])


def _tables(kind: type[msgspec.Struct]) -> Iterator[str]:
    for field in msgspec.structs.fields(kind):
        for table in _structs_in(field.type):
            yield from _table(table)


def _table(table: type[msgspec.Struct]) -> Iterator[str]:
    name, _, meaning = (table.__doc__ or "").partition(": ")
    yield f"### {name.removeprefix('One ').replace('``', '`')}\n\n{_sentence(meaning)}"
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    inner = []
    for field in msgspec.structs.fields(table):
        inner += _structs_in(field.type)
        default = "required" if field.required else f"`{_toml(field.default)}`"
        default = "none" if field.default is None else default
        rows.append(
            f"| `{field.encode_name}` | {_type(field.type)} | {default} | {_meaning(field.type)} |"
        )
    yield "\n".join(rows)
    for struct in inner:
        yield from _table(struct)


def _structs_in(kind: Any) -> list[type[msgspec.Struct]]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [kind]
    return [struct for part in get_args(kind) for struct in _structs_in(part)]


def _type(kind: Any) -> str:
    names = {str: "text", bool: "true or false", int: "integer", float: "number"}
    if kind in names:
        return names[kind]
    if _structs_in(kind):
        return "table"
    if str(get_origin(kind)) == "typing.Literal":
        return " or ".join(f"`{_toml(value)}`" for value in get_args(kind))
    if get_origin(kind) is tuple and Ellipsis not in get_args(kind):
        return f"{len(get_args(kind))} × {_type(get_args(kind)[-1])}"
    inner = _type(next(part for part in get_args(kind) if part is not type(None)))
    bounds = [_bounds(meta) for meta in getattr(kind, "__metadata__", ())]
    return ", ".join(filter(None, [inner, *bounds]))


def _bounds(meta: msgspec.Meta) -> str:
    low = f"> {meta.gt:g}" if meta.gt is not None else ""
    low = f"≥ {_plain(meta.ge)}" if meta.ge is not None else low
    high = f"≤ {_plain(meta.le)}" if meta.le is not None else ""
    return ", ".join(filter(None, [low, high]))


def _plain(bound: float) -> str:
    """Return a bound: 0 and 0.0 are one to ``typing``, which keeps whichever came first."""
    return f"{int(bound) if bound == int(bound) else bound:,}"


def _meaning(kind: Any) -> str:
    return next(meta.description for meta in kind.__metadata__ if meta.description)


def _toml(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def commands() -> str:
    """Return the reference of every command, made from the parsers."""
    parts = []
    for name, summary in COMMANDS.items():
        top = build_parser(name)
        parts += _command(_subparsers(top)[name], summary)
    return "\n\n".join(parts)


def _command(parser: argparse.ArgumentParser, summary: str) -> Iterator[str]:
    yield f"## {parser.prog}\n\n{parser.description or _sentence(summary)}"
    rows = [_argument(action) for action in parser._actions if _is_argument(action)]
    if rows:
        yield "\n".join(["| argument | meaning |", "|---|---|", *rows])
    for inner in _subparsers(parser).values():
        yield from _command(inner, "")


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _is_argument(action: argparse.Action) -> bool:
    return action.dest not in ("help", "verbose", "action")


def _argument(action: argparse.Action) -> str:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if action.choices and not action.metavar:
        metavar = "\\|".join(map(str, action.choices))
    shown = ", ".join(action.option_strings)
    if not shown or action.nargs != 0:
        shown = f"{shown} {metavar}".strip() + ("…" if action.nargs == "+" else "")
    meaning = (action.help or "").replace("%%", "%").replace("|", "\\|")
    meaning = re.sub(r"%\((\w+)\)s", lambda found: str(getattr(action, found[1])), meaning)
    if action.option_strings and action.default not in (None, False, [], argparse.SUPPRESS):
        meaning += "" if "default" in meaning else f" (default {action.default})"
    return f"| `{shown}` | {_sentence(meaning.strip())} |"


def exit_codes() -> str:
    """Return the table of exit codes, made from the error tree."""
    rows = {0: "Done.", 1: "A bug in edge-guard: please report the traceback."}
    for kind in EdgeGuardError.__subclasses__():
        rows[kind.exit_code] = (kind.__doc__ or "").split("\n")[0]
    rows[INTERRUPTED] = "Interrupted from the keyboard."
    rows[READER_GONE] = "The program that read the output went away."
    return "\n".join(
        ["| code | meaning |", "|---|---|", *(f"| {n} | {rows[n]} |" for n in sorted(rows))]
    )


def _sentence(text: str) -> str:
    text = text.strip().replace("``", "`")
    if not text:
        return ""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "…", ")")) else ".")


PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "tree": ("CONTRIBUTING.md", tree),
    "commands": ("docs/commands.md", commands),
    "exit codes": ("docs/commands.md", exit_codes),
    "configuration": ("docs/configuration.md", configuration),
    "topics": ("docs/interfaces.md", topics_table),
    "messages": ("docs/message-fields.md", lambda: fields(__version__)),
    "errors": ("docs/troubleshooting.md", lambda: troubleshooting(ROOT / "edge_guard")),
}


def files() -> dict[Path, bytes]:
    """Return the content of every file that is generated as a whole."""
    from edge_guard.collector.web.api import description  # a second of imports

    docs = ROOT / "docs"
    messages = documents(__version__).items()
    return {docs / "messages" / name: content for name, content in messages} | {
        docs / "openapi.json": formatted(description())
    }


def written(text: str, name: str, content: str) -> str:
    """Return ``text`` with the generated part ``name`` replaced by ``content``."""
    pattern = rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)"
    new, count = re.subn(pattern, lambda m: f"{m[1]}{content}\n{m[2]}", text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"{count} parts are marked as generated: {name}")
    return new


def main() -> int:
    """Write every generated part and say which files changed."""
    for name, (file, make) in PARTS.items():
        path = ROOT / file
        old = path.read_text("utf-8")
        new = written(old, name, make())
        if new != old:
            path.write_text(new, "utf-8")
            print(f"{file}: {name}")
    for path, content in files().items():
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
            print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
