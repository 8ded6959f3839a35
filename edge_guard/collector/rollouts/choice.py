"""Which streams a rollout is for, and whether each has a way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy import Connection, select

from edge_guard.collector.bundles import BundleStore, Held
from edge_guard.collector.rollouts.plan import Plan
from edge_guard.collector.schema import devices, rollout_targets, rollouts
from edge_guard.errors import BundleError
from edge_guard.publish.messages import CommandId, Name, State, decode

MOST_STREAMS = 5000
_MOST_NAMED = 5
Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]


class StreamName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stream of a device."""

    device_id: Id
    stream: Name


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rollout as it is asked for. What is left out of the selection does not restrict it."""

    id: CommandId
    """Whoever starts one may repeat the request: it is one rollout."""
    sha256: Digest
    """Of a bundle that the collector holds."""
    streams: Annotated[tuple[StreamName, ...], Meta(max_length=MOST_STREAMS)] | None = None
    site: Name | None = None
    line: Name | None = None
    device: Name | None = None
    stream: Name | None = None
    running: Name | None = None
    """Id of the bundle that guards the streams now."""
    other_model: bool = False
    """Whether it may be for another model than the one in use."""
    url: (
        Annotated[str, Meta(max_length=512, pattern=r"^https?://[^\s/]+/(\S*/)?$(?!\n)")] | None
    ) = None
    """Where devices reach ``/api/`` of the collector; left out: where the order was given."""
    plan: Plan = Plan()


class ConflictError(ValueError):
    """Something else is under way, or the id was used for something else."""


@dataclass(frozen=True, slots=True)
class Place:
    """A stream that a bundle can be offered to.

    Attributes
    ----------
    device_id : int
    site, line, device, stream : str
    bundle : str
        That guards it, as the device said last.
    offline : bool
    """

    device_id: int
    site: str
    line: str
    device: str
    stream: str
    bundle: str
    offline: bool

    @property
    def words(self) -> str:
        """Device and stream."""
        return f"{self.device}/{self.stream}"


def places(connection: Connection) -> list[Place]:
    """Return every stream of every device, by site, line, device and name."""
    query = select(devices).where(devices.c.state.isnot(None))
    query = query.order_by(devices.c.site, devices.c.line, devices.c.device)
    found = []
    for row in connection.execute(query):
        state = decode(row.state.encode(), State)
        found += [
            Place(
                row.id,
                row.site,
                row.line,
                row.device,
                stream.name,
                stream.bundle,
                state.state == "offline",
            )
            for stream in state.streams
        ]
    return found


def chosen(connection: Connection, order: Order, new: Held) -> list[Place]:
    """Return the streams that an order is for, without those that run the bundle already.

    Raises
    ------
    BundleError
        There are none.
    """
    wanted = None
    if order.streams is not None:
        wanted = {(one.device_id, one.stream) for one in order.streams}
    limits = {
        "site": order.site,
        "line": order.line,
        "device": order.device,
        "stream": order.stream,
        "bundle": order.running,
    }
    limits = {name: value for name, value in limits.items() if value is not None}
    fitting = [
        place
        for place in places(connection)
        if (wanted is None or (place.device_id, place.stream) in wanted)
        and all(getattr(place, name) == value for name, value in limits.items())
    ]
    left = [place for place in fitting if place.bundle != new.bundle]
    if not left:
        found = f"the {len(fitting)} that do run it already" if fitting else "none does"
        raise BundleError(
            f"no stream fits the selection ({found})", "choose streams that devices have told of"
        )
    return left


def ways_back(bundles: BundleStore, order: Order, new: Held, places: Sequence[Place]) -> list[Held]:
    """Return, for each stream, the bundle to return to.

    Raises
    ------
    BundleError
        One is not here, or is for another model than the new one where that is not wanted.
    """
    held = {one.bundle: one for one in bundles.held()}
    if missing := sorted({place.bundle for place in places} - set(held)):
        where = _named([place for place in places if place.bundle in missing])
        named = ", ".join(missing[:_MOST_NAMED])
        raise BundleError(
            f"there is no way back: the collector does not hold {named}, which guards {where} now",
            "upload that bundle first",
        )
    old = [held[place.bundle] for place in places]
    others = [
        place
        for place, bundle in zip(places, old, strict=True)
        if bundle.model_sha256 != new.model_sha256
    ]
    if others and not order.other_model:
        raise BundleError(
            f"bundle {new.bundle} is for another model than {_named(others)} run now",
            "choose other streams, or say that it may be for another model",
        )
    return old


def refuse_taken(connection: Connection, places: Sequence[Place], but: int = 0) -> None:
    """Refuse streams that are part of an active rollout other than ``but``.

    Raises
    ------
    ConflictError
    """
    taken = select(
        rollout_targets.c.device_id, rollout_targets.c.stream, rollouts.c.id, rollouts.c.who
    ).join(rollouts, rollouts.c.id == rollout_targets.c.rollout_id)
    taken = taken.where(rollout_targets.c.busy, rollouts.c.id != but)
    by_stream = {(row.device_id, row.stream): row for row in connection.execute(taken)}
    for place in places:
        if (row := by_stream.get((place.device_id, place.stream))) is not None:
            raise ConflictError(
                f"stream {place.words} is part of rollout {row.id}, started by {row.who}: "
                "wait until that has ended, or abort it"
            )


def _named(places: Sequence[Place]) -> str:
    said = ", ".join(place.words for place in places[:_MOST_NAMED])
    return said + (f" and {len(places) - _MOST_NAMED} more" if len(places) > _MOST_NAMED else "")
