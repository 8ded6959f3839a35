"""Frames, labels and summaries as JSON lines with their pictures, for other programs.

Each file is read in small steps from the running store; a frame is complete in itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, select

from edge_guard.collector.archive.snapshot import moment
from edge_guard.collector.pictures import Pictures
from edge_guard.collector.schema import devices, events, judgements, stands, summaries
from edge_guard.errors import StoreError

_BATCH = 500
_WHERE = (devices.c.site, devices.c.line, devices.c.device)


def export(url: str, store: Pictures, folder: Path) -> dict[str, int]:
    """Return how many there are of each: ``frames``, ``labels``, ``summaries``, ``pictures``.

    Parameters
    ----------
    url : str
        Of the database, which may be in use: what is written is one moment of it.
    store : Pictures
    folder : Path
        Must not exist. Gets ``frames.jsonl``, ``labels.jsonl``, ``summaries.jsonl`` and
        ``pictures/``, named by their sha-256.

    Raises
    ------
    StoreError
        The folder exists or cannot be written, or the database cannot be read.
    """
    saved = folder / "pictures"
    try:
        saved.mkdir(parents=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        with moment(url) as connection:
            done = {
                "frames": _write(folder / "frames.jsonl", _frames(connection)),
                "labels": _write(folder / "labels.jsonl", _labels(connection)),
                "summaries": _write(folder / "summaries.jsonl", _summaries(connection)),
            }
            shown = select(events.c.sha256).where(events.c.sha256.isnot(None)).distinct()
            digests = connection.scalars(shown)
            return done | {"pictures": sum(store.save(one, saved / one) for one in digests)}
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise _cannot_write(folder, error) from error


def _frames(connection: Connection) -> Iterator[dict[str, Any]]:
    query = select(events, *_WHERE).join(devices, devices.c.id == events.c.device_id)
    for row in _pages(connection, query, events.c.id):
        yield _place(row) | {
            "id": row.id,
            "received_ms": row.received_ms,
            "picture": row.sha256 if row.complete else None,
            "event": msgspec.Raw(row.body.encode()),
        }


def _labels(connection: Connection) -> Iterator[dict[str, Any]]:
    query = (
        select(judgements, *_WHERE, events.c.stream, events.c.sha256)
        .join(events, events.c.id == judgements.c.event_id)
        .join(devices, devices.c.id == events.c.device_id)
        .where(stands)
    )
    for row in _pages(connection, query, judgements.c.id):
        yield _place(row) | {
            "id": row.id,
            "frame": row.event_id,
            "picture": row.sha256,
            "judged_ms": row.judged_ms,
            "who": row.who,
            "answer": row.answer,
            "label": row.label,
        }


def _summaries(connection: Connection) -> Iterator[dict[str, Any]]:
    query = select(summaries, *_WHERE).join(devices, devices.c.id == summaries.c.device_id)
    for row in _pages(connection, query, summaries.c.id):
        yield _place(row) | {"summary": msgspec.Raw(row.body.encode())}


def _pages(connection: Connection, query: Select[Any], number: Any) -> Iterator[Row[Any]]:
    last = 0
    while rows := connection.execute(
        query.where(number > last).order_by(number).limit(_BATCH)
    ).all():
        yield from rows
        last = rows[-1].id


def _place(row: Row[Any]) -> dict[str, Any]:
    return {"site": row.site, "line": row.line, "device": row.device, "stream": row.stream}


def _write(path: Path, records: Iterator[dict[str, Any]]) -> int:
    n = 0
    with path.open("wb") as file:
        for n, record in enumerate(records, 1):  # noqa: B007
            file.write(msgspec.json.encode(record) + b"\n")
    return n


def _cannot_write(folder: Path, error: OSError) -> StoreError:
    return StoreError(
        f"the export cannot be written to {folder} ({error.strerror})",
        "name a new folder on a disk with room",
    )
