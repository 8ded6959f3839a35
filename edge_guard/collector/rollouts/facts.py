"""What the database knows of the streams of a rollout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from edge_guard.collector.rollouts.rise import Before, counted
from edge_guard.collector.rollouts.state import Mark, Rollout, Seen, Target
from edge_guard.collector.schema import alarms, devices, replies, summaries
from edge_guard.publish.messages import Alarm, Reply, State, StreamState, decode
from edge_guard.types import Verdict

MOST_WINDOWS = 480
"""Windows that a stream's rate before is taken from, the newest: a shift of minutes."""
_WATCHED = ("soaking", "passed")


class _Counts(msgspec.Struct, frozen=True):
    """The part of a Summary that is counted."""

    bundle: str
    frames: int
    verdicts: dict[str, int]

    @property
    def flagged(self) -> int:
        return self.frames - self.verdicts.get(Verdict.ACCEPT.value, 0)


def command_id(rollout: Rollout, target: Target) -> str:
    """Return the id of the newest command to a target; the same after a restart."""
    return f"rollout-{rollout.id}-{target.id}-{target.attempt}"


def see(connection: Connection, rollout: Rollout) -> dict[int, Seen]:
    """Return what is known now of each target, by its id."""
    known = _devices(connection, {one.device_id for one in rollout.targets})
    answers = _answers(connection, rollout)
    return {
        one.id: _watch(
            connection,
            rollout,
            one,
            _seen(
                one, known[one.device_id], answers.get((one.device_id, command_id(rollout, one)))
            ),
        )
        for one in rollout.targets
    }


def marked(connection: Connection, old: Rollout, new: Rollout) -> Rollout:
    """Return the new state with what each stream is like that is now offered the bundle."""
    targets = tuple(
        _mark(connection, after)
        if before.progress == "waiting" and after.progress == "offered"
        else after
        for before, after in zip(old.targets, new.targets, strict=True)
    )
    return replace(new, targets=targets)


def _mark(connection: Connection, target: Target) -> Target:
    of_stream = (alarms.c.device_id == target.device_id, alarms.c.stream == target.stream)
    newest = select(func.max(alarms.c.id)).where(*of_stream).group_by(alarms.c.alarm)
    raised = select(alarms.c.alarm, alarms.c.body).where(alarms.c.id.in_(newest))
    standing = [
        row.alarm
        for row in connection.execute(raised)
        if decode(row.body.encode(), Alarm).state == "raised"
    ]
    stand = Mark(
        summary=connection.scalar(select(func.max(summaries.c.id))) or 0,
        alarm=connection.scalar(select(func.max(alarms.c.id))) or 0,
        standing=tuple(sorted(standing)),
    )
    return replace(target, mark=stand, before=_before(connection, target))


def _before(connection: Connection, target: Target) -> Before:
    query = (
        select(summaries.c.body)
        .where(summaries.c.device_id == target.device_id, summaries.c.stream == target.stream)
        .order_by(summaries.c.occurred_ms.desc())
        .limit(MOST_WINDOWS)
    )
    windows = _counts(connection.scalars(query), target.old.bundle)
    return counted([(one.frames, one.flagged) for one in windows])


def _watch(connection: Connection, rollout: Rollout, target: Target, seen: Seen) -> Seen:
    if target.progress not in _WATCHED:
        return seen
    query = select(summaries.c.body).where(
        summaries.c.device_id == target.device_id,
        summaries.c.stream == target.stream,
        summaries.c.id > target.mark.summary,
    )
    windows = _counts(connection.scalars(query), rollout.new.bundle)
    raised = (
        select(alarms.c.alarm, alarms.c.body)
        .where(alarms.c.device_id == target.device_id, alarms.c.stream == target.stream)
        .where(alarms.c.id > target.mark.alarm)
        .where(alarms.c.alarm.in_(set(rollout.plan.rule.alarms) - set(target.mark.standing)))
        .order_by(alarms.c.id)
    )
    news = [decode(row.body.encode(), Alarm) for row in connection.execute(raised)]
    return replace(
        seen,
        alarms=tuple((one.alarm, one.message) for one in news if one.state == "raised"),
        frames=sum(one.frames for one in windows),
        flagged=sum(one.flagged for one in windows),
    )


def _counts(bodies: Iterable[str], bundle: str) -> list[_Counts]:
    windows = [msgspec.json.decode(body, type=_Counts) for body in bodies]
    return [one for one in windows if one.bundle == bundle]


def _devices(connection: Connection, ids: set[int]) -> dict[int, Any]:
    query = select(devices.c.id, devices.c.last_seen_ms, devices.c.state)
    rows = connection.execute(query.where(devices.c.id.in_(ids))).all()
    return {row.id: row for row in rows}


def _answers(connection: Connection, rollout: Rollout) -> dict[tuple[int, str], Reply]:
    names = [command_id(rollout, one) for one in rollout.targets if one.progress != "waiting"]
    query = select(replies.c.device_id, replies.c.command, replies.c.body)
    rows = connection.execute(query.where(replies.c.command.in_(names)))
    return {(row.device_id, row.command): decode(row.body.encode(), Reply) for row in rows}


def _seen(target: Target, device: Any, reply: Reply | None) -> Seen:
    state = decode(device.state.encode(), State) if device.state else None
    stream = next((one for one in _streams(state) if one.name == target.stream), None)
    return Seen(
        outcome=reply.outcome if reply else None,
        message=reply.message if reply else "",
        last_seen_ms=device.last_seen_ms,
        offline=state is not None and state.state == "offline",
        bundle=stream.bundle if stream else "",
        self_test=stream.self_test if stream else "",
    )


def _streams(state: State | None) -> tuple[StreamState, ...]:
    return state.streams if state else ()
