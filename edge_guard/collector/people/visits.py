"""Who is behind a request or an open page, asked again as time goes by."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal
from weakref import WeakValueDictionary

from sqlalchemy.exc import SQLAlchemyError

from edge_guard.collector.people.person import LOCAL, Person
from edge_guard.collector.people.roster import Roster
from edge_guard.collector.people.sessions import Sessions, digest
from edge_guard.collector.people.tokens import Tokens

FRESH_S = 1.0
"""For so long an answer of the database is relied on, so that a page of pictures asks once."""
PATIENCE_S = 60.0
"""For so long an open page goes on while the database cannot be asked, so that it can say so."""
_TOUCH_S = 30.0

SignIn = Literal["auto", "required", "off"]


class Visit:
    """A session, a token, or a seat at an open collector, for as long as something holds it.

    Parameters
    ----------
    find : callable
        ``find(used) -> Person | None`` asks the database.
    sha256 : str, optional
        Of the session's token.

    """

    def __init__(self, find: Callable[[bool], Person | None], sha256: str = "") -> None:
        self.sha256 = sha256
        self._find = find
        self._person: Person | None = None
        self._looked = self._touched = self._answered = float("-inf")
        self._ended = False

    @property
    def person(self) -> Person | None:
        """Who it was at the last look; None: nobody, or nobody any more."""
        return None if self._ended else self._person

    def is_fresh(self, used: bool) -> bool:
        """Tell whether ``look`` need not ask the database.

        Parameters
        ----------
        used : bool
            Somebody does something, rather than watch.
        """
        now = time.monotonic()
        seen = now - self._looked < FRESH_S and (not used or now - self._touched < _TOUCH_S)
        return self._ended or seen

    def look(self, used: bool, patient: bool = False) -> Person | None:
        """Return who it is; asks the database unless it did so within a second.

        Parameters
        ----------
        used : bool
        patient : bool
            The last answer holds for ``PATIENCE_S`` while the database cannot be asked.

        Raises
        ------
        SQLAlchemyError
        """
        if not self.is_fresh(used):
            now = time.monotonic()
            try:
                self._person = self._find(used)
            except SQLAlchemyError:
                if not patient or now - self._answered > PATIENCE_S:
                    raise
            else:
                self._answered, self._touched = now, now if used else self._touched
            self._looked = now
        return self.person

    def end(self) -> None:
        """Make it nobody, for good."""
        self._ended = True


class Visits:
    """Finds the visit of a request; for one event loop.

    Parameters
    ----------
    roster : Roster
    sessions : Sessions
    tokens : Tokens
    sign_in : str
        ``auto``: needed once there are people, or where others than this machine can come in.
    on_loopback : bool
        Only this machine can come in.
    """

    def __init__(
        self,
        roster: Roster,
        sessions: Sessions,
        tokens: Tokens,
        sign_in: SignIn,
        on_loopback: bool,
    ) -> None:
        self._roster, self._sessions, self._tokens = roster, sessions, tokens
        self._sign_in, self._on_loopback = sign_in, on_loopback
        self._of_sessions: WeakValueDictionary[str, Visit] = WeakValueDictionary()
        self._seat = Visit(lambda _: LOCAL if self._is_open() else None)

    def of_session(self, token: str) -> Visit:
        """Return the visit that all requests and pages of one session share."""
        sha256 = digest(token)
        visit = self._of_sessions.get(sha256)
        if visit is None:
            visit = Visit(lambda used: self._sessions.find(sha256, used), sha256)
            self._of_sessions[sha256] = visit
        return visit

    def of_token(self, token: str) -> Visit:
        """Return the visit of a program."""
        return Visit(lambda _: self._tokens.find(token))

    def seat(self, forwarded: bool) -> Visit:
        """Return the visit of whoever has neither session nor token.

        Parameters
        ----------
        forwarded : bool
            The request has come through a proxy, and so perhaps from another machine.
        """
        return Visit(lambda _: None) if forwarded and self._sign_in != "off" else self._seat

    def _is_open(self) -> bool:
        if self._sign_in == "auto":
            return self._on_loopback and self._roster.empty()
        return self._sign_in == "off"
