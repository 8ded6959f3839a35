"""What becomes of a rollout, from what is seen of its streams; no clock, no database.

running ⇄ paused           people
running, paused ─▶ returning ─▶ returned     a stream does badly, or people want it
running ─▶ done            the last stage has passed
running, paused, returning ─▶ aborted        people; every stream stays as it is
done, aborted ─▶ returning                   people
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from math import ceil
from typing import Literal

from edge_guard.collector.rollouts.rise import has_risen
from edge_guard.collector.rollouts.state import ON_NEW, Progress, Rollout, Seen, Target

RETRY_MS = 30_000
"""From a return that did not succeed to the next try."""
MOST_OFFERS = 20
"""New ones in one step: what each stream was like before is read for it."""
GRACE_MS = 60_000
"""So long a device may still say that the bundle before is in use."""
_NOT_FETCHED = ("cannot be fetched", "ends too early", "comes too slowly")
"""What devices say of a bundle that they could not get hold of; it may be there the next time."""
Act = Literal["pause", "resume", "abort", "return"]


class NotNowError(ValueError):
    """What people want of a rollout does not fit its status."""


def act(rollout: Rollout, wanted: Act, who: str, now_ms: int) -> Rollout:
    """Return what people make of a rollout; unchanged where it is so already.

    Raises
    ------
    NotNowError
    """
    come_to = {"pause": "paused", "resume": "running", "abort": "aborted", "return": "returning"}
    starts = {
        "pause": ("running",),
        "resume": ("paused",),
        "abort": ("running", "paused", "returning"),
        "return": ("running", "paused", "done", "aborted"),
    }
    if rollout.status == come_to[wanted]:
        return rollout
    if rollout.status not in starts[wanted]:
        raise NotNowError(
            f"rollout {rollout.id} is {rollout.status}: it cannot be told to {wanted}; "
            f"that is for rollouts that are {' or '.join(starts[wanted])}",
        )
    if wanted == "return":
        return _return(rollout, f"{who} wanted it", now_ms)
    if wanted == "abort":
        return _abort(rollout, who, now_ms)
    return rollout.to("paused" if wanted == "pause" else "running", now_ms, f"by {who}")


def advance(rollout: Rollout, seen: Mapping[int, Seen], now_ms: int) -> Rollout:
    """Return the rollout one step on.

    Parameters
    ----------
    rollout : Rollout
    seen : mapping of int to Seen
        Of each target, by its id.
    now_ms : int
        Since the Unix epoch.
    """
    if not rollout.active:
        return rollout
    move = partial(_move, rollout, now_ms=now_ms)
    moved = replace(rollout, targets=tuple(move(one, seen[one.id]) for one in rollout.targets))
    if moved.status == "returning":
        return _end_return(moved, now_ms)
    if bad := _bad(rollout, moved):
        return _return(moved, f"{bad.place}: {bad.why}", now_ms)
    return _fill(_next_stage(moved, now_ms), seen, now_ms) if moved.status == "running" else moved


def wanted(rollout: Rollout, stage: int | None = None) -> int:
    """Return how many streams a stage reaches, the present one by default."""
    position = rollout.stage if stage is None else stage
    return max(1, ceil(rollout.plan.stages[position].share * len(rollout.targets)))


def _bad(before: Rollout, after: Rollout) -> Target | None:
    """Return the first target that has turned bad in this step."""
    for old, new in zip(before.targets, after.targets, strict=True):
        if new.progress in ("refused", "returning") and old.progress != new.progress:
            return new
    return None


def _move(rollout: Rollout, target: Target, seen: Seen, now_ms: int) -> Target:
    moves: dict[Progress, Callable[[Rollout, Target, Seen, int], Target]] = {
        "offered": _offered,
        "withdrawn": _withdrawn,
        "absent": _late,
        "refused": _late,
        "soaking": _soaking,
        "passed": _soaking,
        "returning": _returning,
    }
    move = moves.get(target.progress)
    return target if move is None else move(rollout, target, seen, now_ms)


def _offered(rollout: Rollout, target: Target, seen: Seen, now_ms: int) -> Target:
    if seen.outcome == "done":
        return target.to("soaking", now_ms)
    late = now_ms - target.since_ms > rollout.plan.answer_s * 1000
    if seen.outcome is not None and any(words in seen.message for words in _NOT_FETCHED):
        why = f"the device could not fetch it: {seen.message}"
        if late:
            return target.to("absent", now_ms, why)
        again = now_ms - target.since_ms >= 1000 * 2**target.attempt
        return replace(target, why=why, attempt=target.attempt + again)
    if seen.outcome is not None:
        return target.to("refused", now_ms, f"the device did not take it: {seen.message}")
    if late:
        why = "the device did not answer in time; the bundle before goes on"
        return target.to("absent", now_ms, why)
    silent = seen.offline or now_ms - seen.last_seen_ms > rollout.plan.rule.silence_s * 1000
    return replace(target, why="the device is silent: waiting for it" if silent else "")


def _withdrawn(rollout: Rollout, target: Target, seen: Seen, now_ms: int) -> Target:
    """The broker may still hold the offer for a device that is away."""
    if seen.outcome == "done" or seen.bundle == rollout.new.bundle:
        return _to_returning(
            target, "it had taken the bundle before the offer was called back", now_ms
        )
    if seen.outcome is not None:
        return target.to("refused", now_ms, f"the device did not take it: {seen.message}")
    if now_ms - target.since_ms > rollout.plan.answer_s * 1000:
        return target.to("absent", now_ms, "the device did not answer; the offer has expired")
    return target


def _late(rollout: Rollout, target: Target, seen: Seen, now_ms: int) -> Target:
    """A device may obey after its time, or take a bundle over after it said that it could not."""
    if seen.bundle != rollout.new.bundle:
        return target
    if rollout.status == "returning":
        return _to_returning(target, "it has taken the bundle after all", now_ms)
    return target.to("soaking", now_ms, "it has taken the bundle after all")


def _soaking(rollout: Rollout, target: Target, seen: Seen, now_ms: int) -> Target:
    target = replace(target, frames=seen.frames, flagged=seen.flagged)
    if rollout.status == "returning":
        return _to_returning(target, "", now_ms)
    if seen.bundle not in ("", rollout.new.bundle, target.old.bundle):
        return target.to("overtaken", now_ms, f"somebody gave it bundle {seen.bundle}")
    if why := _trouble(rollout, target, seen, now_ms):
        return _to_returning(target, why, now_ms)
    if target.progress == "passed":
        return target
    why, passed = _soaked(rollout, target, seen, now_ms)
    return target.to("passed", now_ms, why) if passed else replace(target, why=why)


def _trouble(rollout: Rollout, target: Target, seen: Seen, now_ms: int) -> str:
    """Return what is bad about the new bundle on this stream; empty: nothing."""
    rule = rollout.plan.rule
    if seen.self_test.startswith("failed") and seen.bundle == rollout.new.bundle:
        return f"its self-test {seen.self_test}"
    for name, message in seen.alarms:
        if name in rule.alarms:
            return f"alarm {name}: {message}"
    if has_risen(target.before, seen.frames, seen.flagged, rollout.level, rule.rise):
        return (
            f"{seen.flagged} of {seen.frames} frames are flagged, "
            f"{target.before.flagged} of {target.before.frames} were before"
        )
    silent_ms = now_ms - max(seen.last_seen_ms, target.since_ms)
    if target.progress == "soaking" and silent_ms > rule.silence_s * 1000:
        return f"the device has been silent for {silent_ms / 1000:.0f} s since it took the bundle"
    if seen.bundle == target.old.bundle and now_ms - target.since_ms > GRACE_MS:
        return "the device has gone back to the bundle before by itself"
    return ""


def _soaked(rollout: Rollout, target: Target, seen: Seen, now_ms: int) -> tuple[str, bool]:
    """Return what it waits for besides time and frames, and whether it has proved the bundle."""
    stage = rollout.plan.stages[rollout.stage]
    if seen.offline or seen.bundle != rollout.new.bundle:
        return "waiting for the device to say that it runs the bundle", False
    long_enough = now_ms - target.since_ms >= stage.soak_s * 1000
    return "", long_enough and seen.frames >= stage.frames


def _returning(rollout: Rollout, target: Target, seen: Seen, now_ms: int) -> Target:
    if seen.outcome == "done":
        return target.to("back", now_ms, target.why)
    if now_ms - target.since_ms < RETRY_MS:
        return target
    if seen.bundle not in ("", rollout.new.bundle) and seen.outcome is None:
        return target  # it has not answered, but does not run the new one: the answer will come
    if seen.outcome is not None or now_ms - target.since_ms > rollout.plan.answer_s * 1000:
        return replace(target, since_ms=now_ms, attempt=target.attempt + 1)
    return target


def _to_returning(target: Target, why: str, now_ms: int) -> Target:
    return replace(target.to("returning", now_ms, why), attempt=target.attempt + 1)


def _return(rollout: Rollout, why: str, now_ms: int) -> Rollout:
    """Send every stream back that has the bundle, and call back what is offered."""

    def turned(target: Target) -> Target:
        if target.progress in ON_NEW:
            return _to_returning(target, "with the others", now_ms)
        return _called_back(target)

    targets = tuple(turned(one) for one in rollout.targets)
    return replace(rollout, targets=targets).to("returning", now_ms, why)


def _called_back(target: Target) -> Target:
    if target.progress != "offered":
        return target
    return replace(target, progress="withdrawn", why="called back")  # as old as the offer


def _end_return(rollout: Rollout, now_ms: int) -> Rollout:
    open_ones = [one for one in rollout.targets if one.progress in ("returning", "withdrawn")]
    return rollout if open_ones else rollout.to("returned", now_ms, rollout.why)


def _abort(rollout: Rollout, who: str, now_ms: int) -> Rollout:
    def left(target: Target) -> Target:
        if target.progress in ("soaking", "returning"):
            return target.to("kept", now_ms, "the rollout was aborted, the stream left as it was")
        return _called_back(target)

    targets = tuple(left(one) for one in rollout.targets)
    return replace(rollout, targets=targets).to("aborted", now_ms, f"by {who}")


def _next_stage(rollout: Rollout, now_ms: int) -> Rollout:
    """Go on when every stream that the stage reaches has proved the bundle."""
    progress = [one.progress for one in rollout.targets]
    if "offered" in progress or "soaking" in progress:
        return rollout
    passed, waiting = progress.count("passed"), progress.count("waiting")
    if waiting and passed < wanted(rollout):
        return rollout
    if not waiting:
        if passed:
            return rollout.to("done", now_ms, f"{passed} of {len(progress)} streams run it")
        return rollout.to("aborted", now_ms, "no stream could take it: nothing was changed")
    return replace(rollout, stage=rollout.stage + 1, since_ms=now_ms)


def _fill(rollout: Rollout, seen: Mapping[int, Seen], now_ms: int) -> Rollout:
    """Offer the bundle to as many streams as the stage reaches, those that are there first."""
    if rollout.status != "running":
        return rollout
    busy = sum(one.progress in ("offered", "soaking", "passed") for one in rollout.targets)
    waiting = [one for one in rollout.targets if one.progress == "waiting"]
    waiting.sort(key=lambda one: (seen[one.id].offline, one.position))
    turn = {one.id for one in waiting[: min(MOST_OFFERS, max(0, wanted(rollout) - busy))]}

    def offered(target: Target) -> Target:
        if target.id not in turn:
            return target
        if (now := seen[target.id].bundle) not in ("", target.old.bundle):
            return target.to("overtaken", now_ms, f"somebody gave it bundle {now}")
        return replace(target.to("offered", now_ms), attempt=1)

    return replace(rollout, targets=tuple(offered(one) for one in rollout.targets))
