"""What came of it: counted in the database, not believed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Engine, create_engine, func, select

from edge_guard.collector.pictures import PictureStore
from edge_guard.collector.progress import Progress
from edge_guard.collector.schema import boots, events, pictures
from fleet.device import Device, Tally

_LOOKED_AT = 500
"""Pictures that are read back and compared with their names."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database and the picture folder hold.

    Attributes
    ----------
    lost : int
        Messages that were produced, and are neither stored nor reported as given up.
    duplicates : int
        Events stored more than once.
    pictures, broken_pictures : int
        Stored; and of those read back, how many are missing or differ from their name.
    """

    stored: int
    lost: int
    duplicates: int
    pictures: int
    broken_pictures: int


def count(url: str, frames: Path, devices: Sequence[Device]) -> Stored:
    """Return what is stored of the devices' messages.

    Parameters
    ----------
    url : str
        Of the collectors' database.
    frames : Path
        Their picture folder.
    devices : sequence of Device
        All that wrote there.
    """
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(select(boots.c.boot, boots.c.stored, boots.c.given_up)).all()
        once = select(events.c.boot_id, events.c.sequence).distinct().subquery()
        n = connection.scalar(select(func.count()).select_from(events)) or 0
        different = connection.scalar(select(func.count()).select_from(once)) or 0
        kept = connection.scalar(select(func.count()).select_from(pictures)) or 0
    known = {row.boot: Progress.from_text(row.stored) for row in rows}
    gone = {row.boot: Progress.from_text(row.given_up) for row in rows}
    nothing = Progress()
    lost = 0
    for device in devices:
        done = known.get(device.boot, nothing).union(gone.get(device.boot, nothing))
        lost += device.sequence - done.count
    broken = _broken(engine, PictureStore(frames), kept)
    engine.dispose()
    return Stored(sum(one.count for one in known.values()), lost, n - different, kept, broken)


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return lags in seconds; empty for none."""
    ordered = sorted(seconds)
    if not ordered:
        return {}
    places = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "most": 1.0}
    return {name: round(ordered[int(at * (len(ordered) - 1))], 3) for name, at in places.items()}


def table(record: dict[str, object]) -> str:
    """Return the record for people, one value a line; nested values are indented."""
    lines: list[str] = []
    for name, value in record.items():
        if isinstance(value, dict):
            lines.append(name.replace("_", " "))
            lines += [f"  {line}" for line in table(value).splitlines()]
        else:
            shown = f"{value:,}" if isinstance(value, int) else str(value)
            lines.append(f"{name.replace('_', ' '):<28}{shown:>18}")
    return "\n".join(lines)


def outcome(tally: Tally, stored: Stored) -> dict[str, object]:
    """Return the account of one run."""
    return {
        "produced": tally.produced,
        "receipted": tally.receipted,
        "stored": stored.stored,
        "lost": stored.lost,
        "duplicates": stored.duplicates,
        "pictures": stored.pictures,
        "broken_pictures": stored.broken_pictures,
        "sent_again": tally.resent,
        "receipts": dict(sorted(tally.receipts.items())),
        "lag_s": percentiles(tally.lags),
        "load_average": round(os.getloadavg()[0], 1),
    }


def _broken(engine: Engine, store: PictureStore, kept: int) -> int:
    step = max(1, kept // _LOOKED_AT)
    with engine.connect() as connection:
        digests = connection.scalars(select(pictures.c.sha256).order_by(pictures.c.sha256)).all()
    return sum(_differs(store, digest) for digest in digests[::step])


def _differs(store: PictureStore, digest: str) -> bool:
    content = store.get(digest)
    return content is None or sha256(content).hexdigest() != digest
