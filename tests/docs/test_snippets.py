"""Every command, configuration, message and piece of Python on a page or in the README is valid."""

from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pages import DOCS, NAMES, ROOT, Block, blocks, commands, pattern, typed

from edge_guard.card import Card
from edge_guard.cli.main import COMMANDS, build_parser
from edge_guard.config import CollectorConfig, DeviceConfig
from edge_guard.config.fleet import Fleet

REQUIRED = {
    "device": {"id": "press-7"},
    "stream": {"name": "top", "source": "0", "bundle": "line.guard"},
}
"""What a fragment of a device's file may leave out."""

pages = pytest.mark.parametrize("name", NAMES)


def calls(page: Path) -> list[list[str]]:
    """Return the arguments of every call of edge-guard on a page."""
    found = []
    for line in typed(page):
        words = re.sub(r"\s{2,}[a-zA-Z].*|\s#.*", "", line)  # a remark after two spaces
        for part in re.split(r"&&|\||;|>", words):
            if match := re.match(r"\s*(?:sudo )?(?:\S*/)?edge-guard (.*)", part, re.DOTALL):
                found.append(shlex.split(match[1]))
    return found


@pages
def test_every_command_is_one_that_the_program_takes(name: str) -> None:
    for arguments in calls(ROOT / name):
        if arguments[0].startswith("-"):
            continue
        assert arguments[0] in COMMANDS, arguments
        build_parser(arguments[0]).parse_args(arguments)


@pages
def test_no_command_has_a_password_among_its_arguments(name: str) -> None:
    """Everybody on the machine can read them."""
    for line in typed(ROOT / name):
        assert not re.search(r"mosquitto_passwd\b.* -\w*b|://[^\s/]+:[^\s/]+@", line), line


def test_commands_are_found_in_every_kind_of_block() -> None:
    assert ["doctor", "DEVICE.toml", "--fix"] in calls(DOCS / "doctor.md")
    assert ["schema", "event"] in calls(ROOT / "README.md")
    assert sum(len(calls(ROOT / name)) for name in NAMES) > 60


@pages
def test_every_table_is_one_that_a_program_takes(name: str, tmp_path: Path) -> None:
    for block in blocks(ROOT / name):
        if block.language != "toml":
            continue
        given = tomllib.loads(block.text)
        if isinstance(given.get("device"), list):
            (tmp_path / "fleet.toml").write_text(block.text)
            problems = Fleet(tmp_path / "fleet.toml").problems()
            assert not [one for one in problems if "unknown" in one.problem.reason]
        elif not block.title.endswith("excerpt"):
            refusals = [_refusal(given, kind) for kind in (DeviceConfig, CollectorConfig, Card)]
            assert "" in refusals, (block.text, refusals)


def _refusal(given: dict[str, Any], kind: type[msgspec.Struct]) -> str:
    """Return why a fragment is none of this kind; empty where it is."""
    if kind is DeviceConfig:
        streams = given.get("stream", {})
        given = given | {
            "device": REQUIRED["device"] | given.get("device", {}),
            "stream": [
                REQUIRED["stream"] | stream
                for stream in (streams if isinstance(streams, list) else [streams])
            ],
        }
    try:
        msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def test_a_key_that_no_program_knows_is_found() -> None:
    wrong = {"mqtt": {"hots": "broker"}}
    kinds = (DeviceConfig, CollectorConfig, Card)
    assert all("hots" in _refusal(wrong, kind) or "mqtt" in _refusal(wrong, kind) for kind in kinds)


@pages
def test_every_json_document_is_one(name: str) -> None:
    for block in blocks(ROOT / name):
        if block.language == "json":
            json.loads(block.text)


@pages
def test_every_piece_of_python_compiles_and_imports_what_exists(name: str) -> None:
    for block in blocks(ROOT / name):
        if block.language != "python":
            continue
        for node in ast.walk(ast.parse(block.text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("edge_guard"):
                module = __import__(str(node.module), fromlist=["*"])
                assert all(hasattr(module, alias.name) for alias in node.names), block.text


@pages
def test_pictures_are_described_for_those_who_cannot_see_them(name: str) -> None:
    pictures = re.findall(r"!\[(.*?)\]\((.*?)\)", (ROOT / name).read_text("utf-8"))
    for words, path in pictures:
        assert len(words) >= 8, path
        assert ((ROOT / name).parent / path).exists(), path


def test_an_answer_is_compared_by_its_words() -> None:
    (one,) = commands(Block("console", "", "$ count\n7 of 100, 0 lost\n…\nend 0123456789ab\n"))
    shown = pattern(one.answer)
    assert shown.fullmatch("8 of 2,000, 0 lost\nmore\nand more\nend aaaa56789abc\n")
    assert shown.fullmatch("8 of 9, 0 lost\nend aaaa56789abc\n")
    assert not shown.fullmatch("8 of 9, 3 lost\nend aaaa56789abc\n")
    assert not shown.fullmatch("0 of 9, 0 lost\nend aaaa56789abc\n")
    assert not shown.fullmatch("8 of 9, 0 found\nend aaaa56789abc\n")
