"""The form in which a person says whether the model's answer to a frame is right."""

from __future__ import annotations

import asyncio
from functools import partial

from nicegui import ui

from edge_guard.collector.judgements import ANSWERS, Answer, Judgement
from edge_guard.collector.queries import EventRow
from edge_guard.collector.web.marks import box
from edge_guard.collector.web.site import Site
from edge_guard.collector.web.words import moment

MOST_LETTERS = 128
_NEEDS_LABEL: Answer = "wrong"


class JudgementPart:
    """The card with the form and what was said before.

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
        with box("card judgement"):
            ui.label(f"Is “{row.event.label}” right?").classes("card-title")
            with box("judgement-answers"):
                for answer in ANSWERS:
                    button = ui.button(answer, on_click=partial(self._say, answer))
                    button.classes(f"answer is-{answer}").props(
                        'no-caps unelevated :ripple="false"'
                    )
            with box("judgement-more"):
                letters = f"maxlength={MOST_LETTERS} outlined dense"
                self._label = ui.input("right label").props(letters)
                self._who = ui.input("your name").props(letters)
            self._list = box("judgement-list")
        self._show(said)

    async def _say(self, answer: Answer) -> None:
        label = (self._label.value or "").strip()[:MOST_LETTERS] or None
        who = (self._who.value or "").strip()[:MOST_LETTERS]
        await asyncio.to_thread(
            self._site.judgements.add,
            self._row.id,
            answer,
            who,
            label if answer == _NEEDS_LABEL else None,
        )
        self._show(await asyncio.to_thread(self._site.judgements.of, self._row.id))

    def _show(self, said: list[Judgement]) -> None:
        self._list.clear()
        with self._list:
            if not said:
                ui.label("Nobody has judged it yet.").classes("quiet")
            for one in reversed(said):
                label = f": {one.label}" if one.label else ""
                with box("line"):
                    ui.label(f"{one.answer}{label}").classes("line-name")
                    ui.label(f"{one.who or 'somebody'}, {moment(one.judged_ms)}").classes(
                        "line-value"
                    )
