"""Reads the fenced blocks of documentation pages.

A block in the language ``console`` has commands after ``$``, each followed by what it prints. A
title names the file that a block is written to, or the terminal that its commands go on running in.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

_FENCE = re.compile(r'^```(\w*)(?: title="(.*?)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_DIGEST = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{12}\b")
_NUMBER = re.compile(r"\d[\d.,]*(?<=\d)")


class Block(NamedTuple):
    """A fenced block."""

    language: str
    title: str
    text: str


class Command(NamedTuple):
    """What a reader types, and the lines that the page says come back."""

    line: str
    answer: tuple[str, ...]


def blocks(page: Path) -> list[Block]:
    """Return a page's fenced blocks in their order."""
    return [Block(*found.groups("")) for found in _FENCE.finditer(page.read_text("utf-8"))]


def commands(block: Block) -> list[Command]:
    """Return a console's commands; a backslash or an open quote continues one in the next line."""
    found: list[list[str]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append([line[2:]])
        elif found and len(found[-1]) == 1 and not _closed(found[-1][0]):
            found[-1][0] += f"\n{line}"
        elif found:
            found[-1].append(line)
    return [Command(line, tuple(answer)) for line, *answer in found]


def _closed(line: str) -> bool:
    try:
        shlex.split(line)
    except ValueError:
        return False
    return True


def typed(page: Path) -> list[str]:
    """Return every command line of a page, in whatever language its block is."""
    lines = []
    for block in blocks(page):
        if block.language == "console":
            lines += [command.line for command in commands(block)]
        elif block.language in {"", "sh"}:
            lines += block.text.splitlines()
    return lines


def pattern(answer: tuple[str, ...]) -> re.Pattern[str]:
    """Return what a command must print: the words as they stand, numbers of any size.

    Zero stays zero. ``…`` stands for anything in a line, on a line of its own for any lines.
    """
    lines = [r"(?:.*\n)*?" if line == "…" else f"{_line(line)}\n" for line in answer]
    return re.compile("".join(lines))


def _line(line: str) -> str:
    return ".*".join(
        r"[0-9a-f]{12}".join(_numbers(part) for part in _DIGEST.split(words))
        for words in line.split("…")
    )


def _numbers(words: str) -> str:
    parts = []
    end = 0
    for found in _NUMBER.finditer(words):
        parts.append(re.escape(words[end : found.start()]))
        parts.append("0" if found[0] == "0" else r"[\d.,]*[1-9][\d.,]*")
        end = found.end()
    return "".join([*parts, re.escape(words[end:])])
