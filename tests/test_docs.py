"""The documentation says what the program does: generated parts are fresh, nothing is left out."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import msgspec
import pytest

from edge_guard.cli.main import COMMANDS, build_parser
from edge_guard.config import CollectorConfig, DeviceConfig

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import write_docs  # noqa: E402 (a tool, not part of the package)


@pytest.mark.parametrize("name", write_docs.PARTS)
def test_generated_parts_are_fresh(name):
    file, make = write_docs.PARTS[name]
    text = (ROOT / file).read_text("utf-8")
    assert write_docs.written(text, name, make()) == text, "out of date: run 'make docs'"


def test_generated_files_are_fresh_and_no_others_lie_beside_them():
    files = write_docs.files()
    stale = [path.name for path, content in files.items() if path.read_bytes() != content]
    assert not stale, "out of date: run 'make docs'"
    assert set((ROOT / "docs" / "messages").iterdir()) <= set(files)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_argument_is_explained(command):
    parsers = [write_docs._subparsers(build_parser(command))[command]]
    while parsers:
        parser = parsers.pop()
        parsers += write_docs._subparsers(parser).values()
        assert parser.description, parser.prog
        silent = [a.dest for a in parser._actions if write_docs._is_argument(a) and not a.help]
        assert not silent, f"{parser.prog}: {silent}"


@pytest.mark.parametrize("kind", [DeviceConfig, CollectorConfig])
def test_every_key_is_explained_in_the_schema(kind):
    for name, definition in msgspec.json.schema(kind)["$defs"].items():
        for key, schema in definition["properties"].items():
            assert "description" in schema or "$ref" in str(schema), f"{name}.{key}"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_names_every_command(command):
    assert re.search(rf"edge-guard {command}\b", (ROOT / "README.md").read_text("utf-8"))


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
)
def test_links_to_files_lead_somewhere(path):
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text("utf-8"))
    assert not [target for target in targets if not (path.parent / target).exists()]
