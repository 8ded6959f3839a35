"""All rollouts: started, looked at, changed by people, and advanced.

Several collectors may advance the same rollouts: each step is read, decided and written under the
version that was read, together with the commands that it leads to. Whoever comes second writes
nothing. So does a collector that is killed in between.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from edge_guard.collector.bundles import BundleStore
from edge_guard.collector.commands import Commands
from edge_guard.collector.people import Person
from edge_guard.collector.rollouts.choice import (
    ConflictError,
    Order,
    Place,
    chosen,
    places,
    refuse_taken,
    ways_back,
)
from edge_guard.collector.rollouts.facts import command_id, marked, see
from edge_guard.collector.rollouts.machine import Act, act, advance
from edge_guard.collector.rollouts.plan import LONGEST_ANSWER_S
from edge_guard.collector.rollouts.rows import (
    StaleError,
    active,
    insert,
    insert_targets,
    load,
    save,
)
from edge_guard.collector.rollouts.state import RETURNABLE, Rollout, Target
from edge_guard.collector.schema import rollout_targets, rollouts
from edge_guard.collector.store import Store
from edge_guard.collector.trail import Trail
from edge_guard.collector.webhooks.notices import Subject
from edge_guard.errors import BundleError
from edge_guard.publish.messages import OfferBundle

log = logging.getLogger(__name__)

_TRIES = 20


class UnknownRolloutError(LookupError):
    """There is no such rollout."""


class Rollouts:
    """Writes and reads rollouts; thread-safe.

    Parameters
    ----------
    store : Store
    trail : Trail
    commands : Commands
    bundles : BundleStore
    """

    def __init__(
        self, store: Store, trail: Trail, commands: Commands, bundles: BundleStore
    ) -> None:
        self._store = store
        self._trail = trail
        self._commands = commands
        self._bundles = bundles

    def start(self, order: Order, who: Person, base_url: str) -> Rollout:
        """Return the rollout once it is stored; the same order again changes nothing.

        Parameters
        ----------
        order : Order
        who : Person
        base_url : str
            Where devices reach the collector's interface, ends with ``/``; ``order.url`` wins.

        Raises
        ------
        ConfigError
            The stages do not grow.
        BundleError
            The bundle is not here, no stream fits, or one has no way back.
        ConflictError
            A stream is part of another rollout; the id was used for another one.
        """
        order.plan.check()
        request = msgspec.json.encode(order).decode()
        try:
            with self._store.writing() as connection:
                if (known := _by_name(connection, order.id)) is None:
                    number = self._start(connection, order, request, who, base_url)
                    return _one(connection, number)
        except IntegrityError as error:  # another collector was faster
            raise ConflictError("another rollout of these streams has just begun") from error
        if known.request != request:
            raise ConflictError(
                f"id {order.id!r} was used for another rollout ({known.id}): use a new one"
            )
        return known

    def act(self, number: int, wanted: Act, who: Person) -> Rollout:
        """Return the rollout once what somebody wants of it is stored.

        Raises
        ------
        UnknownRolloutError
        NotNowError
        ConflictError
            It is to be returned, and its streams are part of a later rollout.
        """
        for _ in range(_TRIES):
            old = self.get(number)
            new = act(old, wanted, who.name, _now_ms())
            if new == old:
                return old
            try:
                with self._store.writing() as connection:
                    if not old.active:
                        _refuse_later(connection, old)
                    self._trail.note(
                        who, f"rollout.{wanted}", f"rollout {number}", None, connection
                    )
                    self._write(connection, old, new)
            except StaleError:
                continue
            return self.get(number)
        raise ConflictError(f"rollout {number} is being changed all the time: try again")

    def get(self, number: int) -> Rollout:
        """Return a rollout.

        Raises
        ------
        UnknownRolloutError
        """
        with self._store.engine.connect() as connection:
            return _one(connection, number)

    def newest(self, limit: int, before: int | None = None) -> list[Rollout]:
        """Return rollouts, newest first; with ``before`` only those with a lower id."""
        query = select(rollouts).order_by(rollouts.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(rollouts.c.id < before)
        with self._store.engine.connect() as connection:
            return load(connection, query)

    def places(self) -> list[Place]:
        """Return every stream of every device."""
        with self._store.engine.connect() as connection:
            return places(connection)

    def advance(self) -> None:
        """Take every active rollout one step on."""
        with self._store.engine.connect() as connection:
            found = active(connection)
        for old in found:
            with self._store.engine.connect() as connection:
                new = marked(connection, old, advance(old, see(connection, old), _now_ms()))
            if new != old:
                try:
                    with self._store.writing() as connection:
                        self._write(connection, old, new)
                except StaleError:
                    log.debug("rollout %s was advanced by somebody else", old.id)

    def _start(
        self, connection: Connection, order: Order, request: str, who: Person, base_url: str
    ) -> int:
        new = self._bundles.hold(order.sha256)
        if new is None:
            raise BundleError(
                f"the collector does not hold a bundle with sha-256 {order.sha256}",
                "upload it first",
            )
        found = sorted(chosen(connection, order, new), key=lambda place: place.offline)
        refuse_taken(connection, found)
        old = ways_back(self._bundles, order, new, found)
        number = insert(connection, order, request, new, who.name, order.url or base_url, _now_ms())
        insert_targets(connection, number, zip(found, old, strict=True))
        details = {"bundle": new.bundle, "streams": len(found), "sha256": new.sha256}
        self._trail.note(who, "rollout.start", f"rollout {number}", details, connection)
        return number

    def _write(self, connection: Connection, old: Rollout, new: Rollout) -> None:
        """Store a step with the commands it leads to, and note it."""
        save(connection, old, new)
        told = [
            after
            for before, after in zip(old.targets, new.targets, strict=True)
            if (before.progress, before.attempt) != (after.progress, after.attempt)
        ]
        for target in told:
            self._command(connection, new, target)
        before = {one.id: one for one in old.targets}
        self._commands.withdraw(
            connection,
            [
                command_id(old, before[one.id])
                for one in told
                if one.progress in ("withdrawn", "absent", "kept")
            ],
        )
        self._note(connection, old, new, told)

    def _command(self, connection: Connection, rollout: Rollout, target: Target) -> None:
        """Tell the device what the target's progress means for it."""
        back = target.progress == "returning"
        if not back and target.progress != "offered":
            return
        bundle = target.old if back else rollout.new
        action = OfferBundle(
            stream=target.stream,
            url=f"{rollout.base_url}bundles/{bundle.sha256}",
            sha256=bundle.sha256,
            size_bytes=bundle.size_bytes,
            other_model=back or rollout.other_model,
        )
        valid_s = LONGEST_ANSWER_S if back else rollout.plan.answer_s
        name = command_id(rollout, target)
        self._commands.add(connection, target.device_id, rollout.who, action, name, valid_s)

    def _note(
        self, connection: Connection, old: Rollout, new: Rollout, targets: Iterable[Target]
    ) -> None:
        """Write into the trail and the log what has become of the rollout."""
        who = subject = f"rollout {new.id}"
        notes: list[tuple[str, str, Mapping[str, Any]]] = []
        for target in targets:
            said = {"stream": target.place, "why": target.why}
            notes.append((f"rollout.{target.progress}", subject, said))
        if old.status != new.status:
            notes.append((f"rollout.{new.status}", subject, {"why": new.why}))
        elif old.stage != new.stage:
            notes.append(("rollout.stage", subject, {"stage": new.plan.stages[new.stage].name}))
        for action, about, details in notes:
            log.info("%s: %s %s", about, action, dict(details))
            self._trail.note(who, action, about, details, connection)
        if old.active and not new.active:
            message = f"rollout {new.id} of bundle {new.new.bundle} has ended: {new.status}"
            told = Subject(state=new.status, message=message, cause=new.why, by=new.who)
            self._store.outbox.tell(connection, "rollout.finished", told)


def _by_name(connection: Connection, name: str) -> Rollout | None:
    return next(iter(load(connection, select(rollouts).where(rollouts.c.name == name))), None)


def _one(connection: Connection, number: int) -> Rollout:
    found = load(connection, select(rollouts).where(rollouts.c.id == number))
    if not found:
        raise UnknownRolloutError(f"there is no rollout {number}")
    return found[0]


def _refuse_later(connection: Connection, rollout: Rollout) -> None:
    """Refuse to return streams that another rollout has had since."""
    later = (
        select(rollout_targets.c.device_id, rollout_targets.c.stream, rollouts.c.id)
        .join(rollouts, rollouts.c.id == rollout_targets.c.rollout_id)
        .where(rollouts.c.id > rollout.id)
    )
    own = {
        (one.device_id, one.stream): one for one in rollout.targets if one.progress in RETURNABLE
    }
    for row in connection.execute(later):
        if (target := own.get((row.device_id, row.stream))) is not None:
            raise ConflictError(
                f"stream {target.place} has been part of rollout {row.id} since: "
                "return that one, or start a rollout of the earlier bundle"
            )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
