"""``/api/retunes``: new bundles from people's labels, with a stated guarantee."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
from fastapi import Depends, FastAPI, Query, Request
from msgspec import Meta

from edge_guard.collector.people import Person
from edge_guard.collector.retunes.desk import Retune, TakenError, UnknownStreamError
from edge_guard.collector.web.access import at_least
from edge_guard.collector.web.api.route import (
    MOST_ID,
    Id,
    Limit,
    Linked,
    Place,
    RefusedRequest,
    Sent,
    StreamName,
    Viewer,
    linked,
    problems,
)
from edge_guard.collector.web.site import Site
from edge_guard.errors import EdgeGuardError
from edge_guard.publish.messages import Name
from edge_guard.retune.consequences import Estimate, Point
from edge_guard.retune.settings import Wishes
from edge_guard.retune.words import certified_in_words, labels_in_words

Share = Annotated[float, Meta(gt=0.0, lt=1.0)]
Cost = Annotated[float, Meta(gt=0.0, le=1e12)]
Retuner = Annotated[Person, Depends(at_least("engineer", "retune"))]


class RetuneWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A retune as it is asked for.

    Attributes
    ----------
    device_id : int
    stream : str
    bundle : str or None
        The sha-256 of the stored bundle to start from; left out: what the stream runs.
    target : float
        Share of accepted answers that are to be right.
    confidence : float
        Of the promise.
    references : bool
        Count the bundle's labelled references too: it holds if production is like them.
    cost_escape, cost_look : float or None
        Of an accepted wrong answer and of a human look, in one unit.
    review_budget : float or None
        Share of the frames that people can look at.
    newest : int or None
        The newest retune of this stream that the asker knows of, 0 for none: where there is a
        newer one, the answer is 409.
    """

    device_id: Annotated[int, Meta(ge=1, le=MOST_ID)]
    stream: Name
    bundle: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None
    target: Share = 0.99
    confidence: Share = 0.95
    references: bool = False
    cost_escape: Cost | None = None
    cost_look: Cost | None = None
    review_budget: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None
    newest: Annotated[int, Meta(ge=0, le=MOST_ID)] | None = None

    def wishes(self, who: str) -> Wishes:
        """Return what is asked of the labels."""
        return Wishes(
            target=self.target,
            confidence=self.confidence,
            references=self.references,
            cost_escape=self.cost_escape,
            cost_look=self.cost_look,
            review_budget=self.review_budget,
            who=who,
        )


class Reach(msgspec.Struct, frozen=True):
    """A share with its 95 % interval; ``share`` is None where nothing is known."""

    share: float | None
    low: float
    high: float


class Consequence(msgspec.Struct, frozen=True):
    """What accepting at or above a confidence means.

    Attributes
    ----------
    threshold : float
    coverage, risk, escapes : Reach
        Of all frames the accepted; of the accepted the wrong; of all frames the accepted and wrong.
    labelled : int
        Labelled frames drawn at random among the accepted.
    """

    threshold: float
    coverage: Reach
    risk: Reach
    escapes: Reach
    labelled: int


class Preview(msgspec.Struct, frozen=True):
    """What the labels so far would make of a bundle.

    Attributes
    ----------
    bundle : str
        The sha-256 of the one that it starts from.
    labels, words : str
        What was labelled; what is certified, or what is missing.
    certified : bool
    threshold : float or None
        The confidence from which frames would be accepted.
    now, then : Consequence or None
        What the present and the new threshold mean.
    curve : list of Consequence
        Strict to loose.
    """

    bundle: str
    labels: str
    words: str
    certified: bool
    threshold: float | None
    now: Consequence
    then: Consequence | None
    curve: list[Consequence]


def add(api: FastAPI, site: Site) -> None:
    """Add the routes."""

    @api.get("/retunes")
    def retunes(
        request: Request,
        who: Viewer,
        limit: Limit = 50,
        before: Place = None,
        device: Annotated[int | None, Query(ge=1, le=MOST_ID)] = None,
        stream: StreamName | None = None,
    ) -> Linked[list[Retune]]:
        """Return retunes, newest first."""
        found = site.retunes.desk.newest(limit, device, stream, before)
        return linked(found, request, before=found[-1].id if len(found) == limit else None)

    @api.post("/retunes", responses=problems(404))
    def retune(
        who: Retuner, wanted: Annotated[RetuneWanted, Depends(Sent(RetuneWanted))]
    ) -> Retune:
        """Begin a retune; ``/retunes/ID`` tells what comes of it."""
        digest, wishes = _start_from(site, wanted), wanted.wishes(who.name)
        try:
            return site.retunes.start(
                wanted.device_id, wanted.stream, digest, wishes, who, wanted.newest
            )
        except UnknownStreamError as error:
            raise RefusedRequest(404, str(error)) from error
        except TakenError as error:
            raise RefusedRequest(409, str(error)) from error
        except EdgeGuardError as error:
            raise RefusedRequest(409, error.problem, error.remedy) from error

    @api.post("/retunes/preview", responses=problems(404))
    def preview(
        who: Retuner, wanted: Annotated[RetuneWanted, Depends(Sent(RetuneWanted))]
    ) -> Preview:
        """Return what the labels so far would make of the bundle; nothing is written."""
        digest, wishes = _start_from(site, wanted), wanted.wishes(who.name)
        try:
            sight = site.retunes.look(wanted.device_id, wanted.stream, digest, wishes)
        except EdgeGuardError as error:
            raise RefusedRequest(409, error.problem, error.remedy) from error
        outcome = sight.outcome
        certified = outcome.then is not None
        return Preview(
            bundle=digest,
            labels=labels_in_words(sight.frames),
            words=certified_in_words(outcome, wishes),
            certified=certified,
            threshold=outcome.least if certified else None,
            now=_told(outcome.now),
            then=_told(outcome.then) if outcome.then else None,
            curve=[_told(point) for point in outcome.points],
        )

    @api.get("/retunes/{number:int}", responses=problems(404))
    def one(number: Id, who: Viewer) -> Retune:
        """Return one."""
        found = site.retunes.desk.get(number)
        if found is None:
            raise RefusedRequest(404, f"there is no retune {number}")
        return found


def _start_from(site: Site, wanted: RetuneWanted) -> str:
    """Return the digest of the bundle to start from."""
    if wanted.bundle is not None:
        return wanted.bundle
    parent = site.retunes.parent(wanted.device_id, wanted.stream)
    if parent is None:
        raise RefusedRequest(404, f"nothing is known of stream {wanted.stream!r} of this device")
    if not parent.sha256:
        raise RefusedRequest(
            409, f"its bundle {parent.bundle} is not in this collector's store", "upload it first"
        )
    return parent.sha256


def _told(point: Point) -> Consequence:
    return Consequence(
        point.threshold,
        _reach(point.coverage),
        _reach(point.risk),
        _reach(point.escapes),
        point.labelled,
    )


def _reach(found: Estimate) -> Reach:
    known = None if math.isnan(found.share) else found.share
    return Reach(known, found.low, found.high)
