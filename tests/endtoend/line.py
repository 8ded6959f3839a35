"""A device in a process of its own, and what collector and disk say about its events.

device = Device(tmp_path, broker.port, bundle)
device.start(video)
device.wait_flagged(50)
device.kill()
for boot, announced in zip(stored_boots(tmp_path), device.announced(), strict=True):
    ...
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from devices import wait_until

from edge_guard.collector.pictures import PictureStore

Flag = tuple[int, str]
"""Frame sequence and verdict of one flagged frame."""


def command(*arguments: str) -> list[str]:
    """Return the command line of an edge-guard command."""
    return [sys.executable, "-m", "edge_guard.cli.main", *arguments]


class Device:
    """Starts, kills and overhears ``edge-guard run``.

    Parameters
    ----------
    folder : Path
        For its configuration, spool and logs.
    broker_port : int
    bundle : Path
    mqtt : str
        Further lines of ``[mqtt]``.
    """

    def __init__(self, folder: Path, broker_port: int, bundle: Path, mqtt: str = "") -> None:
        self.spool = folder / "spool"
        self._folder = folder
        self._bundle = bundle
        self._mqtt = f'[mqtt]\nhost = "127.0.0.1"\nport = {broker_port}\n{mqtt}\n'
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0

    def start(self, *sources: Path, **keys: Any) -> None:
        """Start a run over one stream for each source, named s0, s1, …; ``keys`` are theirs."""
        settings = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        streams = "".join(
            f'[[stream]]\nname = "s{n}"\nsource = "{source}"\nbundle = "{self._bundle}"\n{settings}'
            for n, source in enumerate(sources)
        )
        config = self._folder / "device.toml"
        config.write_text(
            f'[device]\nid = "device"\n{streams}{self._mqtt}[spool]\npath = "{self.spool}"\n'
        )
        output, log = self._output(self._starts), self._folder / f"device-{self._starts}.log"
        self._starts += 1
        with output.open("wb") as out, log.open("wb") as err:
            self._process = subprocess.Popen(
                command("run", str(config), "--json"), stdout=out, stderr=err
            )

    def wait_flagged(self, n: int, seconds: float = 60.0) -> None:
        """Return once this start has announced ``n`` flagged frames."""
        assert self._process is not None
        process = self._process

        def done() -> bool:
            assert process.poll() is None, self.log()
            return len(self.flagged(self._starts - 1)) >= n

        wait_until(done, seconds)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=15)
            self._process = None

    def finish(self, seconds: float = 90.0) -> dict[str, Any]:
        """Wait for the orderly end of its sources and return the run's last record."""
        assert self._process is not None
        assert self._process.wait(timeout=seconds) == 0, self.log()
        self._process = None
        return self.records(self._starts - 1)[-1]

    def log(self) -> str:
        """Return what the last start has logged."""
        return (self._folder / f"device-{self._starts - 1}.log").read_text()

    def records(self, start: int) -> list[dict[str, Any]]:
        """Return what a start has printed, without a line that a kill has cut short."""
        lines = self._output(start).read_bytes().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith(b"\n")]

    def flagged(self, start: int) -> list[Flag]:
        """Return the flagged frames that a start has announced, in order."""
        frames = [r for r in self.records(start) if r["type"] == "result"]
        return [(r["sequence"], r["verdict"]) for r in frames if r["verdict"] != "accept"]

    def announced(self) -> list[list[Flag]]:
        """Return the announced flagged frames of every start, oldest first."""
        return [self.flagged(start) for start in range(self._starts)]

    def waiting(self) -> tuple[int, int]:
        """Return how many rows and picture files the spool still holds."""
        with sqlite3.connect(f"file:{self.spool / 'spool.sqlite'}?mode=ro", uri=True) as db:
            (rows,) = db.execute("SELECT count(*) FROM message").fetchone()
        return rows, len(list(self.spool.glob("*/*.jpg")))

    def _output(self, start: int) -> Path:
        return self._folder / f"device-{start}.jsonl"

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class StoredEvent(NamedTuple):
    """One row of the collector's events."""

    sequence: int
    flag: Flag
    stream: str
    sha256: str | None
    complete: bool


class StoredBoot(NamedTuple):
    """What the collector has of one start of the device.

    Attributes
    ----------
    highest, complete, dropped : int
        Highest sequence; how many are stored; how many the device gave up.
    events : list of StoredEvent
        By sequence.
    """

    highest: int
    complete: int
    dropped: int
    events: list[StoredEvent]


def stored_boots(folder: Path) -> list[StoredBoot]:
    """Return the boots in the collector's database below ``folder``, by their first event."""
    query = (
        "SELECT sequence, json_extract(body, '$.frame_sequence'), verdict, stream, sha256, complete"
        " FROM events WHERE boot_id=? ORDER BY sequence"
    )
    began = (
        "SELECT id, highest, complete, dropped FROM boots ORDER BY"
        " (SELECT min(occurred_ms) FROM events WHERE boot_id=boots.id)"
    )
    with sqlite3.connect(folder / "c.sqlite") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [
            StoredBoot(
                *counts,
                [
                    StoredEvent(sequence, (frame, verdict), stream, digest, bool(complete))
                    for sequence, frame, verdict, stream, digest, complete in db.execute(
                        query, (boot,)
                    )
                ],
            )
            for boot, *counts in db.execute(began).fetchall()
        ]


def picture(folder: Path, event: StoredEvent) -> bytes:
    """Return an event's picture from the collector's disk."""
    assert event.sha256 is not None
    content = PictureStore(folder / "frames").get(event.sha256)
    assert content is not None, f"{event} has no picture"
    return content
