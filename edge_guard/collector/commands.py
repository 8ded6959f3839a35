"""What people want devices to do: stored for good, sent until a device answers or time is up."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, select, update
from sqlalchemy.exc import SQLAlchemyError

from edge_guard.collector.rows import insertion
from edge_guard.collector.schema import commands, devices, replies
from edge_guard.collector.store import Store
from edge_guard.collector.trail import Trail
from edge_guard.publish.messages import Action, Command, Reply, Topics, decode, encode

log = logging.getLogger(__name__)

VALID_S = 600.0
"""How long a command is sent at most, unless somebody wants otherwise."""
LONGEST_VALID_S = 86_400.0
_LOOK_S = 1.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 2.0, 30.0
_MOST_AT_ONCE = 200


Outcome = Literal["sent", "expired", "done", "refused", "failed"]


class UnknownDeviceError(LookupError):
    """Nobody has ever heard of the device."""


class ConflictError(ValueError):
    """The command's id was used for another command."""


@dataclass(frozen=True, slots=True)
class CommandRow:
    """A command, and what became of it.

    Attributes
    ----------
    id : int
        Higher = later.
    device_id : int
    issued_ms, expires_ms : int
        Since the Unix epoch.
    command : Command
    reply : Reply or None
    """

    id: int
    device_id: int
    issued_ms: int
    expires_ms: int
    command: Command
    reply: Reply | None

    @property
    def outcome(self) -> Outcome:
        """``done``, ``refused``, ``failed``, or without an answer ``sent`` or ``expired``."""
        if self.reply is not None:
            return self.reply.outcome
        return "sent" if time.time() * 1000 < self.expires_ms else "expired"


class Commands:
    """Writes, sends and reads commands; thread-safe but for ``send``.

    Parameters
    ----------
    store : Store
    prefix : str
        Topic prefix.
    publish : callable
        ``publish(topic, payload) -> bool``: False when there is no connection.
    """

    def __init__(self, store: Store, prefix: str, publish: Callable[[str, bytes], bool]) -> None:
        self._store = store
        self._trail = Trail(store)
        self._prefix = prefix
        self._publish = publish
        self._look = 0.0
        self._next: dict[int, tuple[float, float]] = {}  # when, and the wait after it

    def issue(
        self,
        device: int,
        by: str,
        action: Action,
        command_id: str | None = None,
        valid_s: float = VALID_S,
    ) -> CommandRow:
        """Return the command once it is stored; it is sent within a second.

        The same command under the same id again changes nothing, so a request may be repeated.

        Raises
        ------
        UnknownDeviceError
            There is no such device.
        ConflictError
            The id was used for something else.
        """
        with self._store.writing() as connection:
            return self.add(connection, device, by, action, command_id, valid_s)

    def add(
        self,
        connection: Connection,
        device: int,
        by: str,
        action: Action,
        command_id: str | None = None,
        valid_s: float = VALID_S,
    ) -> CommandRow:
        """Do what ``issue`` does as a part of a transaction of ``Store.writing``."""
        now = datetime.now(UTC)
        name = connection.scalar(select(devices.c.device).where(devices.c.id == device))
        if name is None:
            raise UnknownDeviceError(f"there is no device {device}")
        command = Command(
            id=command_id or uuid.uuid4().hex,
            device=name,
            by=by,
            issued_wall_time=_words(now.timestamp()),
            expires_wall_time=_words(now.timestamp() + valid_s),
            action=action,
        )
        issued_ms = int(now.timestamp() * 1000)
        row = {
            "command": command.id,
            "device_id": device,
            "who": by,
            "issued_ms": issued_ms,
            "expires_ms": issued_ms + int(valid_s * 1000),
            "body": encode(command).decode(),
        }
        if connection.execute(insertion(connection, commands), row).rowcount:
            said = {"stream": action.stream, "command": command.id}
            kind = f"command.{action.__struct_config__.tag}"
            self._trail.note(by, kind, f"device {name}", said, connection)
        stored = _one(connection, command.id)
        wanted = (device, by, action)
        if (stored.device_id, stored.command.by, stored.command.action) != wanted:
            raise ConflictError(f"command id {command.id!r} was used for another command")
        self._look = 0.0
        return stored

    def withdraw(self, connection: Connection, command_ids: Collection[str]) -> None:
        """Send commands no more, in the caller's transaction; some may be with devices already."""
        now_ms = int(time.time() * 1000)
        connection.execute(
            update(commands)
            .where(commands.c.command.in_(command_ids), commands.c.expires_ms > now_ms)
            .values(expires_ms=now_ms)
        )

    def get(self, command_id: str) -> CommandRow | None:
        """Return a command, or None."""
        with self._store.engine.connect() as connection:
            row = connection.execute(_query().where(commands.c.command == command_id)).first()
        return None if row is None else _row(row)

    def newest(
        self, limit: int, device: int | None = None, before: int | None = None
    ) -> list[CommandRow]:
        """Return commands, newest first; ``before``: only those below this number."""
        query = _query().order_by(commands.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(commands.c.id < before)
        if device is not None:
            query = query.where(commands.c.device_id == device)
        with self._store.engine.connect() as connection:
            return [_row(row) for row in connection.execute(query).all()]

    def send(self, now: float) -> None:
        """Send what is due: each unanswered command, first often, then more rarely.

        Parameters
        ----------
        now : float
            Monotonic seconds.
        """
        if now < self._look:
            return
        self._look = now + _LOOK_S
        try:
            for row in self._due(now):
                _, wait = self._next[row.id]
                topic = Topics(row.site, row.line, row.device, self._prefix).command()
                if self._publish(topic, row.body.encode()):
                    self._next[row.id] = (now + wait, min(2 * wait, _LONGEST_WAIT_S))
        except SQLAlchemyError as error:
            log.error("commands cannot be read (%s): trying again every second", error)

    def _due(self, now: float) -> list[Any]:
        """Return what waits longest for its turn: devices that never answer hold up no other."""
        waiting = (
            select(commands.c.id)
            .outerjoin(replies, _answers())
            .where(replies.c.id.is_(None), commands.c.expires_ms > time.time() * 1000)
        )
        query = select(
            commands.c.id, commands.c.body, devices.c.site, devices.c.line, devices.c.device
        ).join(devices, devices.c.id == commands.c.device_id)
        with self._store.engine.connect() as connection:
            ids = connection.scalars(waiting).all()
            self._next = {one: self._next.get(one, (now, _FIRST_WAIT_S)) for one in ids}
            due = sorted((when, one) for one, (when, _) in self._next.items() if when <= now)
            turn = [one for _, one in due[:_MOST_AT_ONCE]]
            rows = connection.execute(query.where(commands.c.id.in_(turn))).all()
        return sorted(rows, key=lambda row: turn.index(row.id))


def _answers() -> Any:
    """A device answers for itself only."""
    return (replies.c.command == commands.c.command) & (replies.c.device_id == commands.c.device_id)


def _query() -> Select[Any]:
    return select(commands, replies.c.body.label("reply")).outerjoin(replies, _answers())


def _one(connection: Connection, command_id: str) -> CommandRow:
    return _row(connection.execute(_query().where(commands.c.command == command_id)).one())


def _row(row: Row[Any]) -> CommandRow:
    return CommandRow(
        id=row.id,
        device_id=row.device_id,
        issued_ms=row.issued_ms,
        expires_ms=row.expires_ms,
        command=decode(row.body.encode(), Command),
        reply=None if row.reply is None else decode(row.reply.encode(), Reply),
    )


def _words(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
