"""``/review/agreement``: how far two people agree on the same frames, and what is to be settled."""

from __future__ import annotations

import asyncio
from functools import partial

from nicegui import ui

from edge_guard.collector.judgements import ANSWERS, Answer
from edge_guard.collector.queries import EventRow
from edge_guard.collector.review.agreement import FEWEST, Agreement
from edge_guard.collector.review.seconds import Pair, Seconds, Word, seconds
from edge_guard.collector.web.access import allowed, person
from edge_guard.collector.web.frame import Frame
from edge_guard.collector.web.marks import box, fact, link, picture_address, without_picture
from edge_guard.collector.web.site import Site
from edge_guard.collector.web.words import count, percent

MOST_SHOWN = 50


async def agreed(site: Site) -> None:
    """Build the page.

    Parameters
    ----------
    site : Site
    """
    found = await asyncio.to_thread(seconds, site.store)
    shown = found.open[:MOST_SHOWN]
    numbers = [one.event_id for one in shown]
    rows = {row.id: row for row in await asyncio.to_thread(site.queries.events_by_id, numbers)}
    frame = Frame(site, "review")
    with frame.body:
        with box("section-top"):
            ui.label("How two people agree on the same frames").classes("section-title")
            link("Review", "/review", "button")
        _numbers(site, found)
        if found.open:
            ui.label(f"{count(len(found.open))} to settle").classes("section-title")
        with box("event-grid"):
            for pair in shown:
                Disagreement(site, pair, rows[pair.event_id])
    frame.follow()


def _numbers(site: Site, found: Seconds) -> None:
    share = percent(site.judgements.second_share)
    with box("card agreed"):
        ui.label(
            f"{share} of all judged frames, drawn at random, go to a second person who does not "
            "see the first answer."
        )
        if found.people < 2:
            ui.label("This needs a second person: so far only one has judged.").classes("causes")
        if found.agreement is not None:
            _facts(found.agreement)
        elif found.people >= 2:
            ui.label("No frame has been judged twice yet.").classes("quiet")
        ui.label(f"{count(found.waiting)} frames wait for their second look.").classes("quiet")


def _facts(measured: Agreement) -> None:
    share, low, high = (percent(value) for value in measured.observed)
    with box("facts wide"):
        fact("judged twice", count(measured.n))
        fact("same answer", f"{share} ({low} to {high})", "with its 95 % interval")
        if measured.kappa is not None:
            kappa, low, high = (f"{value:.2f}".replace("-", "−") for value in measured.kappa)
            fact("Cohen’s κ", f"{kappa} ({low} to {high})", "1 = always, 0 = as by chance")
        else:
            fact("Cohen’s κ", "–", "everybody gave one and the same answer")
    if measured.n < FEWEST:
        ui.label(f"Fewer than {FEWEST} frames: no more than a hint.").classes("quiet")


class Disagreement:
    """The card of a frame on which two people disagree, with the engineer's choice.

    Parameters
    ----------
    site : Site
    pair : Pair
    row : EventRow
    """

    def __init__(self, site: Site, pair: Pair, row: EventRow) -> None:
        self._site, self._pair = site, pair
        with box("card event-card") as self._card:
            with box("event-picture"):
                _picture(row)
            with box("event-words agreed-words"):
                link(f"{row.device} · {row.event.stream}", f"/event/{row.id}")
                ui.label(f"The model: {row.event.label}").classes("event-reason")
                ui.label(f"{pair.first.who or 'somebody'}: {_said(pair.first)}")
                ui.label(f"{pair.second.who or 'somebody'}: {_said(pair.second)}")
                if person().may("engineer"):
                    self._choices()

    def _choices(self) -> None:
        with box("desk-controls"):
            for word in (self._pair.first, self._pair.second):
                settle = ui.button(_said(word), on_click=partial(self._settle, word), color=None)
                settle.classes("desk-key").props('flat no-caps :ripple="false"')

    async def _settle(self, word: Word) -> None:
        who = allowed("engineer")
        answer: Answer | None = next((one for one in ANSWERS if one == word.answer), None)
        if who is None or answer is None:
            return
        event = self._pair.event_id
        await asyncio.to_thread(self._site.judgements.add, event, answer, who.name, word.label)
        self._card.clear()
        with self._card, box("event-words"):
            ui.label(f"Settled: {_said(word)}")


def _said(word: Word) -> str:
    return f"{word.answer}: {word.label}" if word.label else word.answer


def _picture(row: EventRow) -> None:
    address = picture_address(row)
    if address is None:
        ui.label(without_picture(row)).classes("no-picture")
        return
    image = ui.element("img")
    image.props["src"] = address
    image.props["alt"] = f"frame {row.event.frame_sequence} of {row.event.stream}"
