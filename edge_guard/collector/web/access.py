"""Who asks for a page or route, and whether they may.

api = APIRouter(dependencies=[Depends(at_least("viewer"))])

@api.post("/retune")
def retune(who: Annotated[Person, Depends(at_least("engineer", "retune"))]) -> …

@ui.page("/retune", dependencies=[Depends(at_least("engineer"))])   # pages are routes as well
def retune_page() -> None:
    async def apply() -> None:
        if (who := allowed("engineer")) is not None:       # handlers ask again, each time
            …
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import HTTPException, Request
from nicegui import context, ui
from sqlalchemy.exc import SQLAlchemyError

from edge_guard.collector.people import Person, Role, Scope
from edge_guard.collector.people.person import USUAL
from edge_guard.collector.people.visits import Visit
from edge_guard.collector.web.gate import VISIT


def visit_of(request: Request | None = None) -> Visit:
    """Return the session, token or seat behind a request; see ``person``.

    Raises
    ------
    HTTPException
        401: the request has not come through the gate.
    """
    visit = (request or context.client.request).scope.get(VISIT)
    if not isinstance(visit, Visit):
        raise HTTPException(401, "nobody is signed in")
    return visit


def person(request: Request | None = None) -> Person:
    """Return who asks, as of now.

    Parameters
    ----------
    request : Request, optional
        Default: the page that is being built, or whose element's handler runs.

    Raises
    ------
    HTTPException
        401: nobody is signed in, or no longer.
    """
    who = visit_of(request).look(used=False)  # by another's websocket, nobody may have looked
    if who is None:
        raise HTTPException(401, "nobody is signed in")
    return who


def at_least(role: Role, scope: Scope | None = None) -> Callable[[Request], Person]:
    """Return the FastAPI dependency that lets in, and returns, those with a role or token's scope.

    Parameters
    ----------
    role : str
        The least that a person needs.
    scope : str, optional
        What a token needs; default: ``read``, ``label`` or ``admin``, by the role.
    """

    def admitted(request: Request) -> Person:
        who = person(request)
        demand(who, role, scope)
        return who

    admitted.needs = (role, scope)  # type: ignore[attr-defined]
    return admitted


def demand(who: Person, role: Role, scope: Scope | None = None) -> None:
    """Refuse who may not, where it takes more to know than the route; see ``at_least``.

    Raises
    ------
    HTTPException
        403: the role or the scope is missing.
    """
    if not who.may(role, scope):
        raise HTTPException(403, _refusal(who, role, scope))


def allowed(role: Role) -> Person | None:
    """Return who uses the page, or tell them that they may not and return None; in handlers.

    Parameters
    ----------
    role : str
        The least that is needed.
    """
    try:
        who = person()
    except HTTPException:
        ui.navigate.to("/sign-in")
        return None
    except SQLAlchemyError:
        ui.notify("the store fails at this moment; nothing was done", type="negative")
        return None
    if who.may(role):
        return who
    ui.notify(_refusal(who, role, None), type="warning")
    return None


def _refusal(who: Person, role: Role, scope: Scope | None) -> str:
    if who.scopes is not None:
        return f"the token {who.name} lacks the scope {scope or USUAL[role]}"
    return f"this needs the role {role}; {who.name} is {who.role}"
