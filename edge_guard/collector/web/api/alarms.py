"""``/api/alarms``: those that stand, and every word that devices ever said on one."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import FastAPI, Query, Request

from edge_guard.collector.queries import AlarmRow
from edge_guard.collector.web.api.route import MOST_ID, Limit, Linked, Place, Viewer, linked
from edge_guard.collector.web.site import Site
from edge_guard.publish.messages import Alarm, IsaState, isa_state


class ListedAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """One word of a device on one alarm.

    Attributes
    ----------
    id : int
        Higher = stored later.
    device_id : int
    device : str
    occurred_ms : int
    isa_state : str
        In the words of ISA-18.2.
    alarm : Alarm
        As the device sent it.
    """

    id: int
    device_id: int
    device: str
    occurred_ms: int
    isa_state: IsaState
    alarm: Alarm


def add(api: FastAPI, site: Site) -> None:
    """Add the routes."""

    @api.get("/alarms")
    def alarms(
        who: Viewer, request: Request, limit: Limit = 500, before: Place = None
    ) -> Linked[list[ListedAlarm]]:
        """Return the newest word on each alarm that is not normal, newest first."""
        rows = sorted(site.queries.standing_alarms(), key=lambda row: -row.id)
        rows = [row for row in rows if before is None or row.id < before]
        following = rows[limit - 1].id if len(rows) > limit else None
        return linked([_listed(row) for row in rows[:limit]], request, before=following)

    @api.get("/alarms/history")
    def history(
        who: Viewer,
        request: Request,
        limit: Limit = 100,
        before: Place = None,
        device: Annotated[int | None, Query(ge=1, le=MOST_ID)] = None,
    ) -> Linked[list[ListedAlarm]]:
        """Return each word on each alarm, newest first."""
        rows = site.history.alarms(limit, before, device)
        following = rows[-1].id if len(rows) == limit else None
        return linked([_listed(row) for row in rows], request, before=following)


def _listed(row: AlarmRow) -> ListedAlarm:
    return ListedAlarm(
        id=row.id,
        device_id=row.device_id,
        device=row.device,
        occurred_ms=row.occurred_ms,
        isa_state=isa_state(row.alarm),
        alarm=row.alarm,
    )
