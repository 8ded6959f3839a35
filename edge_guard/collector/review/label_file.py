"""Labels as CSV: a header, one event a line, UTF-8.

Written are all columns. Read are ``device``, ``boot`` and ``sequence`` (with ``site`` and ``line``
where devices share names), or else ``event``; and ``answer`` (right, wrong, unsure), ``label`` or
both. ``event_id`` (``BOOT-SEQUENCE``) stands for boot and sequence. Other columns are ignored.
Text that a spreadsheet would take for a formula has an apostrophe before it in the file only.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import msgspec

from edge_guard.collector.judgements import ANSWERS
from edge_guard.collector.review.exchange import Given, Labelled
from edge_guard.collector.spreadsheet import from_cell, to_cell
from edge_guard.errors import ConfigError

_MOST_LETTERS = 1 << 16


def write_labels(rows: Iterable[Labelled], file: TextIO) -> int:
    """Return how many lines were written below the header."""
    names = [*Labelled.__struct_fields__]
    names[-1] = "judged"
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    n = 0
    for row in rows:
        values = [*msgspec.structs.astuple(row)]
        judged = datetime.fromtimestamp(row.judged_ms / 1000, UTC)
        values[-1] = judged.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        writer.writerow([_cell(value) for value in values])
        n += 1
    return n


def read_labels(path: Path) -> list[tuple[int, Given]]:
    """Return line and label of every line below the header.

    Raises
    ------
    ConfigError
        The file cannot be read, or the first line that is wrong, in words.
    """
    csv.field_size_limit(_MOST_LETTERS)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            _check_header(path, reader.fieldnames or [])
            return [(reader.line_num, _given(path, reader.line_num, row)) for row in reader]
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})", "check its name") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} is no CSV file in UTF-8 ({error})", "save it as such") from error


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return to_cell(value)
    return "" if value is None else value


def _check_header(path: Path, names: Iterable[str]) -> None:
    known = set(names)
    identity = [{"device", "boot", "sequence"}, {"device", "event_id"}, {"event"}]
    if not any(columns <= known for columns in identity):
        raise ConfigError(
            f"{path}:1: the header lacks the columns that name an event",
            "give device, boot and sequence, or device and event_id, or event",
        )
    if not known & {"answer", "label"}:
        raise ConfigError(f"{path}:1: the header has neither answer nor label", "give one of them")


def _given(path: Path, line: int, row: dict[str | None, Any]) -> Given:
    filled = {
        name: from_cell(value.strip())
        for name, value in row.items()
        if name is not None and isinstance(value, str) and value.strip()
    }
    if "event_id" in filled and "boot" not in filled:
        filled["boot"], _, filled["sequence"] = filled["event_id"].rpartition("-")
    wanted = {name: filled[name] for name in Given.__struct_fields__ if name in filled}
    if {"device", "boot", "sequence"} <= wanted.keys():
        wanted.pop("event", None)
    elif "event" not in wanted:
        raise _wrong(path, line, "it names no event", "fill in device, boot and sequence, or event")
    if wanted.get("answer") is None and wanted.get("label") is None:
        raise _wrong(path, line, "it says nothing", "fill in answer or label, or remove the line")
    try:
        return msgspec.convert(wanted, Given, strict=False)
    except msgspec.ValidationError as error:
        raise _wrong(
            path,
            line,
            str(error),
            f"answers are {', '.join(ANSWERS)}; event and sequence are numbers",
        ) from error


def _wrong(path: Path, line: int, problem: str, remedy: str) -> ConfigError:
    return ConfigError(f"{path}:{line}: {problem}", f"{remedy}; nothing was imported")
