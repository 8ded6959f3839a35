"""No list reads a big table through: what the databases themselves say of each query."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, literal, select
from sqlalchemy.event import listen, remove

from edge_guard.collector.commands import Commands
from edge_guard.collector.feed import Feed
from edge_guard.collector.history import History
from edge_guard.collector.judgements import Judgements
from edge_guard.collector.link import LinkStatus
from edge_guard.collector.pictures import PictureStore
from edge_guard.collector.queries import Queries
from edge_guard.collector.review.labels import Labels
from edge_guard.collector.review.queue import ReviewQueue
from edge_guard.collector.review.waiting import Only
from edge_guard.collector.schema import events, judgements
from edge_guard.collector.store import Store
from edge_guard.collector.trail import Trail

EVENTS, SUMMARIES, DEVICES = 6000, 40, 60
DAY_MS = 86_400_000
BIG = ("events", "summaries", "pictures", "review_items", "judgements", "results", "commands")
MOST_ROWS = 1500
"""Of a big table, that one list may read: a page or two, or one device's share."""
_TOOL = Path(__file__).resolve().parents[2] / "tools" / "fleet"


@pytest.fixture
def full(store_url: str, tmp_path: Path) -> Iterator[Store]:
    """A store that has seen a month of a plant, in small."""
    sizes = ("--events", EVENTS, "--devices", DEVICES, "--summaries", SUMMARIES)
    command = [sys.executable, _TOOL, "bulk", store_url, "--frames", tmp_path / "frames", *sizes]
    subprocess.run([str(word) for word in command], check=True, capture_output=True, timeout=100)
    store = Store(store_url, PictureStore(tmp_path / "frames"))
    yield store
    store.close()


def lists(store: Store) -> dict[str, Callable[[], object]]:
    """Return everything that pages and interfaces ask for, by name."""
    queries, history = Queries(store.engine), History(store.engine)
    judgements, reviews = Judgements(store), ReviewQueue(store)
    since = int(time.time() * 1000) - DAY_MS
    middle = EVENTS // 2
    return {
        "feed": lambda: Feed(queries, LinkStatus("connected", "")),
        "flagged": lambda: queries.events(50),
        "page": lambda: queries.events(50, before=middle),
        "device": lambda: queries.events(50, device=3),
        "stream": lambda: queries.events(50, middle, 3, "camera"),
        "all": lambda: queries.events(50, kind="all"),
        "waiting": lambda: queries.events(50, kind="waiting"),
        "audit": lambda: queries.events(50, device=3, stream="camera", kind="audit"),
        "incident": lambda: queries.events(50, device=4, incident="incident-1"),
        "part": lambda: queries.events(50, kind="all", part="A-1"),
        "event": lambda: queries.event(middle),
        "summaries": lambda: queries.summaries(3, "camera", since),
        "frames": lambda: queries.frames_per_minute(3, "camera", since),
        "alarms": queries.standing_alarms,
        "drift": lambda: queries.drift_alarms(3, "camera", since),
        "audited": lambda: judgements.audited(3, "camera", since),
        "judgements": lambda: judgements.of(middle),
        "said": lambda: history.judgements(50),
        "windows": lambda: history.summaries(3, "camera", 50),
        "alarm history": lambda: history.alarms(50),
        "minutes": lambda: history.minutes(3, "camera", 0, 60),
        "next": lambda: reviews.take("anna", "tab", 4),
        "next of line": lambda: reviews.take("anna", "tab", 4, Only(line="fleet/line-2")),
        "reasons": reviews.reasons,
        "lines": reviews.lines,
        "labels": lambda: Labels(store).of(3, "camera", {"ok"}),
        "commands": lambda: Commands(store, "edge-guard/v1", lambda *_: True).newest(50),
        "trail": lambda: Trail(store).entries(50),
    }


def test_no_list_reads_a_big_table_through(full: Store) -> None:
    find = scanned if full.engine.dialect.name == "sqlite" else read
    wrong = {
        name: found
        for name, ask in lists(full).items()
        for statement, values in asked(full.engine, ask)
        if (found := find(full.engine, statement, values))
    }
    assert wrong == {}
    through = "SELECT * FROM events WHERE body LIKE 'x' ORDER BY occurred_ms LIMIT 5"
    assert find(full.engine, through, ())  # it would have been found


def test_audits_of_which_all_are_judged_are_found_among_the_drawn(full: Store) -> None:
    with full.writing() as connection:
        drawn = select(events.c.id, literal(0), literal(""), literal("right"))
        said = drawn.where(events.c.sampled.isnot(None))
        columns = ["event_id", "judged_ms", "who", "answer"]
        connection.execute(judgements.insert().from_select(columns, said))
        connection.exec_driver_sql("ANALYZE")
    queries = Queries(full.engine)
    assert queries.events(50, kind="waiting") == []
    assert len(queries.events(50, kind="audit")) == 50
    (statement, values), *_ = asked(full.engine, lambda: queries.events(50, kind="waiting"))
    with full.engine.connect() as connection:
        how = "EXPLAIN QUERY PLAN" if full.engine.dialect.name == "sqlite" else "EXPLAIN"
        plan = connection.exec_driver_sql(f"{how} {statement}", values).all()
    assert "events_drawn" in str(plan)


def asked(engine: Engine, ask: Callable[[], object]) -> list[tuple[str, Any]]:
    """Return the statements that this executes."""
    seen: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, words: str, values: Any, _x: object, many: bool) -> None:
        if words.lstrip().upper().startswith(("SELECT", "WITH", "UPDATE")) and not many:
            seen.append((words, values))

    listen(engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        remove(engine, "before_cursor_execute", note)
    assert seen
    return seen


def scanned(engine: Engine, statement: str, values: Any) -> list[str]:
    """Return what SQLite would read through; in the order of an index and up to a limit is well."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    steps = [str(row[3]) for row in rows]
    bounded = "LIMIT" in statement or "min(" in statement or "max(" in statement
    return [
        step
        for step in steps
        if step.startswith("SCAN") and step.split()[1] in BIG
        if not (bounded and "TEMP B-TREE FOR ORDER BY" not in " ".join(steps))
    ]


def read(engine: Engine, statement: str, values: Any) -> list[str]:
    """Return of which big tables PostgreSQL has read too many rows for this."""
    with engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values)
        words = plan.scalar_one()
        connection.rollback()
    (root,) = json.loads(words) if isinstance(words, str) else words
    return [
        f"{node['Relation Name']}: {rows} rows in {statement[:200]}"
        for node in nodes(root["Plan"])
        if node.get("Relation Name") in BIG and (rows := rows_read(node)) > MOST_ROWS
    ]


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", []):
        yield from nodes(inner)


def rows_read(node: dict[str, Any]) -> int:
    one = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return int(one * node["Actual Loops"])
