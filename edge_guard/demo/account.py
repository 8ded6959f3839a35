"""The demo's bookkeeping: what the device produced, what the collector has, and its verdicts."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edge_guard.collector.pictures import PictureStore
from edge_guard.collector.queries import DeviceRow, Queries
from edge_guard.collector.store import Store
from edge_guard.demo.assets import Script
from edge_guard.demo.judgement import Scripted, judge
from edge_guard.demo.world import STREAM, World
from edge_guard.errors import StoreError
from edge_guard.publish.messages import Event

_PAGE = 500


class Counts(msgspec.Struct, frozen=True):
    """Messages of the device: numbered by it, stored by the collector, given up under quota."""

    produced: int
    stored: int
    dropped: int


class Report(msgspec.Struct, frozen=True, tag="demo"):
    """The demo's last word; frames, verdicts and leading reasons are sums of the summaries."""

    frames: int
    verdicts: dict[str, int]
    reasons: dict[str, int]
    events: Counts
    scripted: list[Scripted]


class Ledger:
    """Follows the collector's database, and reads the device's spool.

    Parameters
    ----------
    world : World
        Its collector has made the database.
    """

    def __init__(self, world: World) -> None:
        self._spool = world.spool / "spool.sqlite"
        self._store = Store(world.database, PictureStore(world.frames))
        self._queries = Queries(self._store.engine)
        self._windows: set[int] = set()
        self._newest_ms = 0
        self._verdicts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self.frames = 0
        """Frames in the summaries that have been read."""

    def read(self) -> None:
        """Add the summaries that have arrived since the last call."""
        device = self._device()
        if device is None:
            return
        for moment_ms, summary in self._queries.summaries(device.id, STREAM, self._newest_ms):
            self._newest_ms = max(self._newest_ms, moment_ms)
            if summary.window not in self._windows:
                self._windows.add(summary.window)
                self._verdicts.update(summary.verdicts)
                self._reasons.update(summary.reasons)
                self.frames += summary.frames

    def counts(self) -> Counts:
        """Return how many messages there are, and where."""
        device = self._device()
        stored, dropped = (device.stored, device.dropped) if device else (0, 0)
        return Counts(_produced(self._spool), stored, dropped)

    def report(self, script: Script) -> Report:
        """Return what happened, once the device has stopped and its summaries are read."""
        scripted = judge(script, self._events(), self.frames)
        reasons = dict(self._reasons.most_common())
        return Report(self.frames, dict(self._verdicts), reasons, self.counts(), scripted)

    def close(self) -> None:
        """Let the database go."""
        self._store.close()

    def _device(self) -> DeviceRow | None:
        return next(iter(self._queries.devices()), None)

    def _events(self) -> Iterator[Event]:
        before = None
        while page := self._queries.events(_PAGE, before=before, stream=STREAM):
            yield from (row.event for row in page)
            before = page[-1].id


def _produced(spool: Path) -> int:
    """Return the highest sequence in the spool of a device that has booted at most once."""
    if not spool.is_file():
        return 0
    try:
        connection = sqlite3.connect(f"file:{spool}?mode=ro", uri=True)
        (last,) = connection.execute("SELECT max(last) FROM boot").fetchone()
        connection.close()
    except sqlite3.Error as error:
        raise StoreError(f"the demo's spool {spool} cannot be read ({error})") from error
    return int(last or 0)
