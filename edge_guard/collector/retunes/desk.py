"""Who retunes which stream, and what came of it: one at a time for a stream, in one place."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from sqlalchemy import Row, select, update

from edge_guard.collector.people import Person
from edge_guard.collector.rows import insertion
from edge_guard.collector.schema import devices, retunes
from edge_guard.collector.store import Store
from edge_guard.collector.trail import Trail
from edge_guard.retune.settings import Wishes

State = Literal["running", "done", "failed"]
LOST_MS = 60_000
"""A retune that was not renewed for so long has lost its collector."""


class UnknownStreamError(ValueError):
    """There is no such device."""


class TakenError(RuntimeError):
    """Somebody else is at it, or has been since the asker looked."""


@dataclass(frozen=True, slots=True)
class Retune:
    """One retune.

    Attributes
    ----------
    id : int
        Higher = later.
    device_id : int
    stream, parent, parent_sha256, who : str
    wishes : Wishes
    state : str
        ``running``, ``done`` or ``failed``.
    started_ms : int
        Since the Unix epoch.
    bundle, sha256 : str
        What was made; empty until it is done.
    told : str
        What is certified, or why it failed.
    """

    id: int
    device_id: int
    stream: str
    parent: str
    parent_sha256: str
    who: str
    wishes: Wishes
    state: State
    started_ms: int
    bundle: str
    sha256: str
    told: str


class Desk:
    """Writes and reads retunes; thread-safe, and common to all collectors of one database.

    Parameters
    ----------
    store : Store
    trail : Trail
    """

    def __init__(self, store: Store, trail: Trail) -> None:
        self._store, self._trail = store, trail

    def begin(
        self,
        device: int,
        stream: str,
        parent: tuple[str, str],
        wishes: Wishes,
        who: Person,
        newest: int | None = None,
    ) -> Retune:
        """Return the retune that was begun.

        Parameters
        ----------
        device : int
        stream : str
        parent : (str, str)
            Id and digest of the bundle to start from.
        wishes : Wishes
        who : Person
        newest : int, optional
            The newest retune of this stream that the asker knows of, 0 for none: a newer one is
            told instead.

        Raises
        ------
        UnknownStreamError
            There is no such device.
        TakenError
            Says who is at it, or what they did.
        """
        now = _now()
        row = {"device_id": device, "stream": stream, "parent": parent[0], "bundle": ""}
        row |= {"parent_sha256": parent[1], "who": who.name, "sha256": "", "told": ""}
        row |= {"state": "running", "started_ms": now, "renewed_ms": now}
        row["wishes"] = msgspec.json.encode(wishes).decode()
        with self._store.writing() as connection:
            if connection.scalar(select(devices.c.id).where(devices.c.id == device)) is None:
                raise UnknownStreamError(f"there is no device {device}")
            here = (retunes.c.device_id == device) & (retunes.c.stream == stream)
            lost = here & (retunes.c.state == "running") & (retunes.c.renewed_ms < now - LOST_MS)
            why = "the collector that was making it stopped: start it again"
            connection.execute(update(retunes).where(lost).values(state="failed", told=why))
            statement = insertion(connection, retunes).returning(retunes.c.id)
            added = connection.execute(statement, row).scalar_one_or_none()
            query = select(retunes).where(here).order_by(retunes.c.id.desc()).limit(2)
            latest = [_retune(found) for found in connection.execute(query)]
            if added is None:
                raise TakenError(_taken(latest[0]))
            before = latest[1:]
            if newest is not None and before and before[0].id > newest:
                raise TakenError(_taken(before[0]))  # and undo what was added
            details = {"bundle": parent[0], "wishes": msgspec.to_builtins(wishes)}
            self._trail.note(who, "retune.start", _subject(latest[0]), details, connection)
            return latest[0]

    def renew(self, number: int) -> None:
        """Say that a retune is still under way."""
        change = update(retunes).where(retunes.c.id == number).values(renewed_ms=_now())
        with self._store.writing() as connection:
            connection.execute(change)

    def end(self, number: int, told: str, bundle: str = "", sha256: str = "") -> None:
        """Write down what came of a retune; without a bundle it failed.

        Nothing changes where it was given up meanwhile.
        """
        state = "done" if bundle else "failed"
        values = {"state": state, "told": told, "bundle": bundle, "sha256": sha256}
        this = (retunes.c.id == number) & (retunes.c.state == "running")
        with self._store.writing() as connection:
            if not connection.execute(update(retunes).where(this).values(values)).rowcount:
                return
            done = _retune(connection.execute(select(retunes).where(retunes.c.id == number)).one())
            details = {"bundle": bundle, "sha256": sha256, "told": told}
            self._trail.note(done.who, f"retune.{state}", _subject(done), details, connection)

    def get(self, number: int) -> Retune | None:
        """Return a retune, or None."""
        with self._store.engine.connect() as connection:
            row = connection.execute(select(retunes).where(retunes.c.id == number)).one_or_none()
        return None if row is None else _retune(row)

    def newest(
        self,
        limit: int,
        device: int | None = None,
        stream: str | None = None,
        before: int | None = None,
    ) -> list[Retune]:
        """Return retunes, newest first; of one device or stream, below an id, where given."""
        query = select(retunes).order_by(retunes.c.id.desc()).limit(limit)
        if device is not None:
            query = query.where(retunes.c.device_id == device)
        if stream is not None:
            query = query.where(retunes.c.stream == stream)
        if before is not None:
            query = query.where(retunes.c.id < before)
        with self._store.engine.connect() as connection:
            return [_retune(row) for row in connection.execute(query)]


def _taken(other: Retune) -> str:
    if other.state == "running":
        return f"{other.who} is retuning this stream at this moment: see what comes of it"
    result = f"made {other.bundle}" if other.bundle else f"tried and failed ({other.told})"
    return f"{other.who} has retuned this stream since you looked and {result}: look again"


def _subject(retune: Retune) -> str:
    return f"retune {retune.id} of device {retune.device_id} stream {retune.stream}"


def _retune(row: Row[Any]) -> Retune:
    values = dict(row._mapping)
    del values["renewed_ms"]
    return Retune(**values | {"wishes": msgspec.json.decode(row.wishes, type=Wishes)})


def _now() -> int:
    return time.time_ns() // 1_000_000
