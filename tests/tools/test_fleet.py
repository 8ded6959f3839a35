"""The fleet of simulated devices, and through it: two collectors that share a PostgreSQL."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_TOOL = Path(__file__).resolve().parents[2] / "tools" / "fleet"


def run(folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, str(_TOOL), "--json", "--folder", str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.skipif(
    shutil.which("initdb") is None and not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")),
    reason="PostgreSQL is not installed: apt-get install postgresql",
)
def test_of_two_collectors_one_is_killed_and_nothing_is_lost(tmp_path: Path) -> None:
    load = ("--devices", "20", "--seconds", "5", "--rate", "4", "--picture-bytes", "8000")
    trouble = ("--kill-after", "2", "--outages", "0.2", "--outage-seconds", "1")
    both = ("--store", "postgresql", "--collectors", "2", "--again-seconds", "1")
    code, record = run(tmp_path, *load, *trouble, *both)
    assert code == 0, record
    assert record["stored"] == record["receipted"] == record["produced"] > 380
    assert (record["lost"], record["duplicates"], record["broken_pictures"]) == (0, 0, 0)
    assert set(record["receipts"]) == {"collector-1", "collector-2"}


def test_a_million_events_begin_with_a_few(tmp_path: Path) -> None:
    from sqlalchemy import func, select

    from edge_guard.collector.pictures import PictureStore
    from edge_guard.collector.queries import Queries
    from edge_guard.collector.schema import review_items
    from edge_guard.collector.store import Store

    url, frames = f"sqlite:///{tmp_path / 'bulk.sqlite'}", tmp_path / "frames"
    sizes = ("--events", "400", "--devices", "20", "--summaries", "2")
    command = [sys.executable, str(_TOOL), "bulk", url, "--frames", str(frames), *sizes]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    store = Store(url, PictureStore(frames))
    queries = Queries(store.engine)
    rows = queries.events(500, kind="all")
    assert len(rows) == 400
    image = rows[0].event.image
    assert image is not None and store.pictures.get(image.sha256) is not None
    assert len(queries.summaries(1, rows[0].event.stream, 0)) == 2
    assert len(queries.devices()) == 20
    with store.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(review_items)) == 400
    store.close()
