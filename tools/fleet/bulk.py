"""A database that has seen a million events, made in a minute: to try pages and queries on."""

from __future__ import annotations

import argparse
import random
import sys
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, insert

from edge_guard.collector import schema
from edge_guard.collector.parse import Origin
from edge_guard.collector.pictures import PictureStore
from edge_guard.collector.review.intake import Intake
from edge_guard.collector.store import Store
from edge_guard.errors import EdgeGuardError
from edge_guard.publish.messages import Event, ImageReference, State, StreamState, Summary, encode
from edge_guard.types import Verdict
from fleet.pictures import HEIGHT_PX, WIDTH_PX, Pictures
from fleet.reports import BUNDLE, STREAM, event_pattern, summary_of

_DAYS = 30
_DAY_MS = 86_400_000
_CHUNK = 10_000
_DIFFERENT_PICTURES = 300
_AUDITED = 0.1
"""Share of the events that are accepted frames, drawn at random."""


class Bulk:
    """Fills the tables as if devices had reported for a month.

    Parameters
    ----------
    store : Store
        Empty.
    devices : int
    """

    def __init__(self, store: Store, devices: int) -> None:
        self._store = store
        self._chance = random.Random(1)
        self._begun_ms = int(time.time() * 1000) - _DAYS * _DAY_MS
        self._references = self._pictures()
        self._patterns: list[Event] = []
        self._origins: dict[int, Origin] = {}
        for number in range(1, devices + 1):
            origin = Origin("fleet", f"line-{number % 40 + 1}", f"cam-{number:04d}")
            self._origins[number] = origin
            self._patterns.append(event_pattern(origin.device, f"b{number:015x}", self._chance))

    def fill(self, events: int, summaries: int) -> None:
        """Insert devices, events, their places in the review queue, and summaries."""
        each = -(-events // len(self._patterns))
        with self._store.writing() as connection:
            self._devices(connection, each + summaries)
        for first in range(0, events, _CHUNK):
            with self._store.writing() as connection:
                self._events(connection, first, min(events, first + _CHUNK), events)
        for window in range(summaries):
            with self._store.writing() as connection:
                self._summaries(connection, window, each, summaries)

    def _pictures(self) -> list[ImageReference]:
        pictures = Pictures(30_000)
        made = [pictures.make(f"bulk-{n}") for n in range(_DIFFERENT_PICTURES)]
        self._store.pictures.put_all({sha256(jpeg).hexdigest(): jpeg for jpeg in made})
        found = [
            ImageReference(sha256(jpeg).hexdigest(), len(jpeg), WIDTH_PX, HEIGHT_PX)
            for jpeg in made
        ]
        rows = [
            {"sha256": one.sha256, "size_bytes": one.size_bytes, "received_ms": self._begun_ms}
            for one in found
        ]
        with self._store.writing() as connection:
            connection.execute(insert(schema.pictures), rows)
        return found

    def _devices(self, connection: Connection, messages: int) -> None:
        now = int(time.time() * 1000)
        places = self._origins.items()
        devices = [
            {
                "id": number,
                "site": origin.site,
                "line": origin.line,
                "device": origin.device,
                "last_seen_ms": now,
                "events": messages,
                "state": encode(_state(self._patterns[number - 1])).decode(),
            }
            for number, origin in places
        ]
        boots = [
            {
                "id": number,
                "device_id": number,
                "boot": self._patterns[number - 1].boot_id,
                "stored": f"[[1,{messages}]]",
                "given_up": "[]",
                "highest": messages,
                "complete": messages,
                "dropped": 0,
            }
            for number, _ in places
        ]
        connection.execute(insert(schema.devices), devices)
        connection.execute(insert(schema.boots), boots)

    def _events(self, connection: Connection, first: int, last: int, of: int) -> None:
        intake = Intake(connection)
        rows = []
        for n in range(first, last):
            device = n % len(self._patterns) + 1
            event = self._event(self._patterns[device - 1], n // len(self._patterns) + 1, n, of)
            row = self._row(event, n, of)
            rows.append(row | {"id": n + 1, "device_id": device, "boot_id": device})
            intake.add(n + 1, device, event, row["received_ms"])
        connection.execute(insert(schema.events), rows)
        intake.store(self._origins)

    def _event(self, pattern: Event, sequence: int, n: int, of: int) -> Event:
        audited = self._chance.random() < _AUDITED
        words = _wall(self._at_ms(n, of))
        return msgspec.structs.replace(
            pattern,
            wall_time=words,
            event_id=f"{pattern.boot_id}-{sequence}",
            sequence=sequence,
            frame_sequence=sequence * 25,
            captured_wall_time=words,
            verdict=Verdict.ACCEPT if audited else Verdict.REVIEW,
            confidence=round(self._chance.random(), 3),
            image=self._references[n % _DIFFERENT_PICTURES],
            sampled=0.01 if audited else None,
            incident="" if n % 3 else f"incident-{n // 3000}",
        )

    def _row(self, event: Event, n: int, of: int) -> dict[str, Any]:
        at = self._at_ms(n, of)
        return {
            "sequence": event.sequence,
            "stream": event.stream,
            "verdict": event.verdict.value,
            "occurred_ms": at,
            "received_ms": at,
            "sha256": event.image.sha256 if event.image else None,
            "complete": True,
            "body": encode(event).decode(),
            "sampled": event.sampled,
            "incident": event.incident or None,
        }

    def _summaries(self, connection: Connection, window: int, each: int, of: int) -> None:
        at = self._begun_ms + (window + 1) * _DAYS * _DAY_MS // of
        rows = []
        for device, pattern in enumerate(self._patterns, 1):
            summary: Summary = summary_of(pattern, each + window + 1, window, _wall(at))
            rows.append(
                {
                    "device_id": device,
                    "boot_id": device,
                    "sequence": summary.sequence,
                    "stream": STREAM,
                    "occurred_ms": at,
                    "body": encode(summary).decode(),
                }
            )
        connection.execute(insert(schema.summaries), rows)

    def _at_ms(self, n: int, of: int) -> int:
        return self._begun_ms + n * _DAYS * _DAY_MS // of


def main(words: list[str]) -> int:
    """Fill the database that the command line names."""
    parser = argparse.ArgumentParser(prog="fleet bulk", description=__doc__)
    add = parser.add_argument
    add("url", help="of an empty database: sqlite:///FILE or postgresql://…")
    add("--frames", type=Path, default=Path("frames"), help="picture folder (default frames)")
    add("--events", type=int, default=1_000_000, help="default 1000000")
    add("--devices", type=int, default=1000, help="default 1000")
    add("--summaries", type=int, default=300, help="of each device (default 300)")
    arguments = parser.parse_args(words)
    begun = time.monotonic()
    try:
        store = Store(arguments.url, PictureStore(arguments.frames))
    except EdgeGuardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    Bulk(store, arguments.devices).fill(arguments.events, arguments.summaries)
    if store.engine.dialect.name == "postgresql":
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in schema.metadata.sorted_tables:
                connection.exec_driver_sql(f"ANALYZE {table.name}")
                _advance(connection, table.name)
    store.close()
    print(f"{arguments.events} events in {time.monotonic() - begun:.1f} s")
    return 0


def _advance(connection: Connection, table: str) -> None:
    """Let the next row that is stored be numbered after those that came with their numbers."""
    if "id" in schema.metadata.tables[table].c:
        connection.exec_driver_sql(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), "
            f"(SELECT coalesce(max(id), 0) + 1 FROM {table}), false) "
            f"WHERE pg_get_serial_sequence('{table}', 'id') IS NOT NULL"
        )


def _state(pattern: Event) -> State:
    stream = StreamState(STREAM, "running", "", BUNDLE, pattern.wall_time, 25_000, 25.0, {}, {})
    return State(
        device=pattern.device,
        boot_id=pattern.boot_id,
        wall_time=pattern.wall_time,
        monotonic_ns=1,
        clock_synchronised=True,
        state="online",
        causes=(),
        version="fleet",
        streams=(stream,),
    )


def _wall(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
