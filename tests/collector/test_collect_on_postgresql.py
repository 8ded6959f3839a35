"""The real collector on a real PostgreSQL: killed, its server killed, swept and backed up."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

from brokers import Mosquitto
from postgres_server import PostgresServer
from reports import Reporter, Sent, picture
from resender import Resender, wait_until
from running import Running

from edge_guard.collector.archive import restore
from edge_guard.collector.pictures import PictureStore
from edge_guard.collector.queries import Queries
from edge_guard.collector.retention import deletion
from edge_guard.collector.store import Store
from edge_guard.types import Verdict

FLAGGED, UNFIT = 60, 20
LIMITS = "[retention]\ndays = 0.000001\n"
"""A tenth of a second: whatever may go goes with the first sweep, when the collector starts."""


def frames(device: Reporter, first: int, n: int, verdict: Verdict) -> dict[int, list[Sent]]:
    sent: dict[int, list[Sent]] = {}
    for seed in range(first, first + n):
        label = "ok" if verdict == Verdict.REVIEW else None
        parts = device.event(picture(seed, 320, 240), verdict=verdict, label=label)
        sent[device.sequence] = [one for one in parts if one is not None]
    return sent


def test_kills_lose_nothing_retention_deletes_and_a_backup_is_whole(
    tmp_path: Path, broker: Mosquitto, postgres: PostgresServer
) -> None:
    device, url = Reporter(), postgres.new()
    collector = Running(tmp_path, broker.port, url, LIMITS)
    unfit = frames(device, 0, UNFIT, Verdict.INVALID)
    with Resender(broker.port, device, unfit) as resender:
        collector.start()
        assert resender.done.wait(60)
        collector.kill()
    flagged = frames(device, UNFIT, FLAGGED, Verdict.REVIEW)
    with Resender(broker.port, device, flagged) as resender, collector:
        wait_until(lambda: collector.get("/api/health")["stored"] > UNFIT)
        postgres.kill()
        wait_until(lambda: "trying again every second" in collector.log())
        postgres.start()
        backed_up = run("backup", collector.config, tmp_path / "backup")
        assert backed_up.returncode == 0, backed_up.stderr
        assert resender.done.wait(60), f"{len(resender.pending)} never confirmed"
        health = collector.get("/api/health")
        assert collector.terminate() == 0
    assert (health["stored"], health["missing"]) == (UNFIT + FLAGGED, 0)
    assert health["deleted"]["frames (age)"] == UNFIT
    assert "Traceback" not in collector.log()
    with closing(Store(url, PictureStore(tmp_path / "frames"))) as store:
        assert sequences(store) == set(flagged)
        gone = deletion.deleted(store)
        assert (gone["frames (age)"], gone["pictures (age)"]) == (UNFIT, UNFIT)
        assert len(list(store.pictures.digests(float("inf")))) == FLAGGED
    url, pictures = postgres.new(), PictureStore(tmp_path / "f2")
    assert restore(tmp_path / "backup", url, pictures, tmp_path / "b").missing == 0
    with closing(Store(url, pictures)) as store:
        assert sequences(store) <= set(flagged)


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge_guard.cli.main", "store", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def sequences(store: Store) -> set[int]:
    """Return the sequences of the frames that are stored, each once and with its picture."""
    rows = Queries(store.engine).events(1000, kind="all")
    for row in rows:
        assert row.event.image is not None
        assert store.pictures.get(row.event.image.sha256) is not None
    found = {row.event.sequence for row in rows}
    assert len(found) == len(rows) > 0
    return found
