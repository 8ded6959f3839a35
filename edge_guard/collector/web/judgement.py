"""The form in which a person says whether the model's answer to a frame is right."""

from __future__ import annotations

import asyncio
from functools import partial

from nicegui import ui

from edge_guard.collector.judgements import ANSWERS, Answer, Judgement
from edge_guard.collector.people import Person
from edge_guard.collector.queries import EventRow
from edge_guard.collector.web.access import allowed, person
from edge_guard.collector.web.marks import box
from edge_guard.collector.web.site import Site
from edge_guard.collector.web.words import moment

MOST_LETTERS = 128
_NEEDS_LABEL: Answer = "wrong"


class JudgementPart:
    """The card with the form, for operators, and what was said before.

    Parameters
    ----------
    site : Site
    row : EventRow
        With an answer of the model.
    said : list of Judgement
        Oldest first.
    """

    def __init__(self, site: Site, row: EventRow, said: list[Judgement]) -> None:
        self._site, self._row = site, row
        who = person()
        with box("card judgement"):
            ui.label(f"Is “{row.event.label}” right?").classes("card-title")
            if who.may("operator"):
                self._build(who)
            self._list = box("judgement-list")
        self._show(said)

    def _build(self, who: Person) -> None:
        with box("judgement-answers"):
            for answer in ANSWERS:
                button = ui.button(answer, on_click=partial(self._say, answer))
                button.classes(f"answer is-{answer}").props('no-caps unelevated :ripple="false"')
        with box("judgement-more"):
            letters = f"maxlength={MOST_LETTERS} outlined dense"
            self._label = ui.input("right label").props(letters)
            self._who = None if who.signed_in else ui.input("your name").props(letters)

    async def _say(self, answer: Answer) -> None:
        who = allowed("operator")
        if who is None:
            return
        typed = "" if self._who is None else (self._who.value or "").strip()[:MOST_LETTERS]
        name = who.name if who.signed_in else typed
        label = (self._label.value or "").strip()[:MOST_LETTERS] or None
        label = label if answer == _NEEDS_LABEL else None
        await asyncio.to_thread(self._site.judgements.add, self._row.id, answer, name, label)
        await self._show_again()

    async def _take_back(self, word: Judgement) -> None:
        who = allowed("operator")
        if who is not None:
            name = who.name if who.signed_in else word.who
            await asyncio.to_thread(self._site.judgements.withdraw, word.id, name)
            await self._show_again()

    async def _show_again(self) -> None:
        self._show(await asyncio.to_thread(self._site.judgements.of, self._row.id))

    def _show(self, said: list[Judgement]) -> None:
        taken = {one.withdraws for one in said}
        words = [one for one in said if one.withdraws is None]
        self._list.clear()
        with self._list:
            if not words:
                ui.label("Nobody has judged it yet.").classes("quiet")
            for one in reversed(words):
                self._word(one, one.id in taken)

    def _word(self, one: Judgement, taken: bool) -> None:
        who = person()
        label = f": {one.label}" if one.label else ""
        notes = [moment(one.judged_ms)]
        notes += ["second look"] if one.blind else []
        notes += ["taken back"] if taken else []
        with box("line"):
            ui.label(f"{one.answer}{label}").classes("line-name")
            ui.label(f"{one.who or 'somebody'}, {', '.join(notes)}").classes("line-value")
            if not taken and who.may("operator") and (one.who == who.name or not who.signed_in):
                back = ui.button("take back", on_click=partial(self._take_back, one), color=None)
                back.classes("take-back").props('flat dense no-caps :ripple="false"')
