"""Rollouts to and from rows; whoever writes an old version writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, select, true, update

from edge_guard.collector.bundles import Held
from edge_guard.collector.rollouts.choice import Order, Place
from edge_guard.collector.rollouts.plan import Plan
from edge_guard.collector.rollouts.rise import Before
from edge_guard.collector.rollouts.state import (
    ACTIVE,
    RETURNABLE,
    Mark,
    Offer,
    Rollout,
    Target,
)
from edge_guard.collector.schema import devices, rollout_targets, rollouts


class StaleError(Exception):
    """Somebody else has changed the rollout since it was read."""


def load(connection: Connection, query: Select[Any]) -> list[Rollout]:
    """Return the rollouts that a query of the table ``rollouts`` finds, in its order."""
    found = connection.execute(query).all()
    targets: dict[int, list[Target]] = {row.id: [] for row in found}
    of_these = (
        select(rollout_targets, devices.c.device)
        .join(devices, devices.c.id == rollout_targets.c.device_id)
        .where(rollout_targets.c.rollout_id.in_(targets))
        .order_by(rollout_targets.c.rollout_id, rollout_targets.c.position)
    )
    for row in connection.execute(of_these):
        targets[row.rollout_id].append(_target(row))
    return [_rollout(row, tuple(targets[row.id])) for row in found]


def active(connection: Connection) -> list[Rollout]:
    """Return the rollouts that are at work, oldest first."""
    return load(
        connection, select(rollouts).where(rollouts.c.status.in_(ACTIVE)).order_by(rollouts.c.id)
    )


def save(connection: Connection, old: Rollout, new: Rollout) -> None:
    """Write what has changed; the caller's transaction must end with the error.

    Raises
    ------
    StaleError
    sqlalchemy.exc.IntegrityError
        A stream is part of another active rollout.
    """
    values = {name: getattr(new, name) for name in ("since_ms", "status", "stage", "why")}
    written = connection.execute(
        update(rollouts)
        .where(rollouts.c.id == old.id, rollouts.c.version == old.version)
        .values(version=old.version + 1, **values)
    )
    if written.rowcount != 1:
        raise StaleError(f"rollout {old.id} was changed meanwhile")
    if old.active != new.active:
        connection.execute(
            update(rollout_targets)
            .where(rollout_targets.c.rollout_id == old.id)
            .where(rollout_targets.c.progress.in_(RETURNABLE) if new.active else true())
            .values(busy=new.active)
        )
    for before, after in zip(old.targets, new.targets, strict=True):
        if before != after:
            connection.execute(
                update(rollout_targets)
                .where(rollout_targets.c.id == after.id)
                .values(_target_values(after))
            )


def insert(
    connection: Connection,
    order: Order,
    request: str,
    new: Held,
    who: str,
    base_url: str,
    now_ms: int,
) -> int:
    """Return the id of a new rollout, without streams yet."""
    number: int | None = connection.scalar(
        rollouts.insert()
        .values(
            name=order.id,
            bundle=new.bundle,
            sha256=new.sha256,
            size_bytes=new.size_bytes,
            base_url=base_url,
            other_model=order.other_model,
            who=who,
            created_ms=now_ms,
            since_ms=now_ms,
            request=request,
            plan=msgspec.json.encode(order.plan).decode(),
            status="running",
            stage=0,
            why="",
            version=1,
        )
        .returning(rollouts.c.id)
    )
    assert number is not None
    return number


def insert_targets(
    connection: Connection, rollout: int, places: Iterable[tuple[Place, Held]]
) -> None:
    """Add the streams of a new rollout, each with the bundle to return to."""
    rows = []
    for position, (place, held) in enumerate(places):
        old = Offer(held.bundle, held.sha256, held.size_bytes)
        fresh = Target(0, position, place.device_id, place.device, place.stream, old)
        rows.append(
            _target_values(fresh)
            | {
                "rollout_id": rollout,
                "position": position,
                "device_id": place.device_id,
                "stream": place.stream,
                "busy": True,
                "old_bundle": old.bundle,
                "old_sha256": old.sha256,
                "old_size_bytes": old.size_bytes,
            }
        )
    connection.execute(rollout_targets.insert(), rows)


def _target_values(target: Target) -> dict[str, Any]:
    """Return the columns of a target that change."""
    return {
        "progress": target.progress,
        "why": target.why,
        "since_ms": target.since_ms,
        "attempt": target.attempt,
        "before_frames": target.before.frames,
        "before_flagged": target.before.flagged,
        "scatter": target.before.scatter,
        "mark_summary": target.mark.summary,
        "mark_alarm": target.mark.alarm,
        "standing": json.dumps(target.mark.standing),
        "frames": target.frames,
        "flagged": target.flagged,
    }


def _rollout(row: Row[Any], targets: tuple[Target, ...]) -> Rollout:
    return Rollout(
        id=row.id,
        name=row.name,
        new=Offer(row.bundle, row.sha256, row.size_bytes),
        base_url=row.base_url,
        other_model=row.other_model,
        who=row.who,
        created_ms=row.created_ms,
        since_ms=row.since_ms,
        plan=msgspec.json.decode(row.plan, type=Plan),
        status=row.status,
        stage=row.stage,
        why=row.why,
        version=row.version,
        request=row.request,
        targets=targets,
    )


def _target(row: Row[Any]) -> Target:
    return Target(
        id=row.id,
        position=row.position,
        device_id=row.device_id,
        device=row.device,
        stream=row.stream,
        old=Offer(row.old_bundle, row.old_sha256, row.old_size_bytes),
        progress=row.progress,
        why=row.why,
        since_ms=row.since_ms,
        attempt=row.attempt,
        before=Before(row.before_frames, row.before_flagged, row.scatter),
        mark=Mark(row.mark_summary, row.mark_alarm, tuple(json.loads(row.standing))),
        frames=row.frames,
        flagged=row.flagged,
    )
