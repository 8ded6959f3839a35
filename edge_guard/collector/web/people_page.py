"""``/people``: who may use the collector, and the tokens of programs; for engineers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from nicegui import ui

from edge_guard.collector.people import ROLES, SCOPES, Person, Role
from edge_guard.collector.people.roster import MOST_LETTERS, Member
from edge_guard.collector.people.tokens import Token
from edge_guard.collector.web.access import allowed, person
from edge_guard.collector.web.frame import Frame
from edge_guard.collector.web.marks import box
from edge_guard.collector.web.site import Site
from edge_guard.collector.web.words import moment
from edge_guard.errors import ConfigError

_FIELD = f"maxlength={MOST_LETTERS} outlined dense"
_DAYS = {30: "30 days", 90: "90 days", 365: "a year"}

Change = Callable[[Person], object]


async def people_page(site: Site) -> None:
    """Build the page.

    Parameters
    ----------
    site : Site
    """
    frame = Frame(site, "people")
    with frame.body:
        people, tokens = PeoplePart(site), TokensPart(site)
    await people.show()
    await tokens.show()
    frame.follow()


async def changed(change: Change, shown: Callable[[], Awaitable[None]]) -> bool:
    """Make a change in the name of the engineer at the page; tell whether it was made."""
    who = allowed("engineer")
    if who is None:
        return False
    try:
        await asyncio.to_thread(change, who)
    except ConfigError as error:
        ui.notify(str(error), type="warning", multi_line=True)
        await shown()
        return False
    await shown()
    return True


class PeoplePart:
    """The people, and the form that adds one."""

    def __init__(self, site: Site) -> None:
        self._roster = site.people.roster
        with box("section-top"):
            ui.label("People").classes("section-title")
        self._list = box("card rows")
        with box("card"):
            ui.label("Add somebody").classes("card-title")
            with box("people-form"):
                self._name = ui.input("name").props(f"{_FIELD} autocomplete=off")
                words = "first password, which they can change"
                self._password = ui.input(words, password=True, password_toggle_button=True)
                self._password.props("outlined dense autocomplete=new-password")
                self._role = ui.select(list(ROLES), value="viewer", label="role")
                self._role.props("outlined dense")
                ui.button("Add", on_click=self._add).props("no-caps unelevated")

    async def show(self) -> None:
        """Read the people again."""
        members = await asyncio.to_thread(self._roster.members)
        self._list.clear()
        with self._list:
            if not members:
                ui.label("There is nobody yet.").classes("quiet")
            for member in members:
                self._row(member)

    def _row(self, member: Member) -> None:
        own = member.name == person().name
        with box("people-row"):
            with box("people-who"):
                ui.label(member.name).classes("people-name")
                ui.label(_seen(member)).classes("quiet")
            role = ui.select(list(ROLES), value=member.role).props("outlined dense")
            role.props["aria-label"] = f"role of {member.name}"
            role.on_value_change(lambda event: self._set_role(member.name, event.value))
            with box("people-buttons"):
                if member.sessions:
                    _button("Sign out", partial(self._end, member.name))
                if not own:
                    _button("Remove", partial(self._remove, member.name))

    async def _add(self) -> None:
        name, password = (self._name.value or "").strip(), self._password.value or ""
        role = _role(self._role.value)
        if await changed(lambda by: self._roster.add(name, role, password, by), self.show):
            self._name.value = self._password.value = ""
            ui.notify(f"{name} can sign in now.", type="positive")

    async def _set_role(self, name: str, role: str) -> None:
        await changed(lambda by: self._roster.set_role(name, _role(role), by), self.show)

    async def _end(self, name: str) -> None:
        await changed(lambda by: self._roster.end_sessions(name, by), self.show)

    async def _remove(self, name: str) -> None:
        if await sure(f"Remove {name}? What they did stays in the trail.", "Remove"):
            await changed(lambda by: self._roster.remove(name, by), self.show)


class TokensPart:
    """The tokens, and the form that makes one."""

    def __init__(self, site: Site) -> None:
        self._tokens = site.people.tokens
        with box("section-top"):
            ui.label("Tokens of programs").classes("section-title")
        self._list = box("card rows")
        with box("card"):
            ui.label("Create a token").classes("card-title")
            with box("people-form"):
                self._name = ui.input("name of the program").props(f"{_FIELD} autocomplete=off")
                self._scopes = ui.select(
                    list(SCOPES), value=["read"], label="scopes", multiple=True
                )
                self._scopes.props("outlined dense use-chips")
                self._days = ui.select(_DAYS, value=365, label="valid for").props("outlined dense")
                ui.button("Create", on_click=self._create).props("no-caps unelevated")
            self._made = ui.label().classes("people-token")
            self._made.set_visibility(False)

    async def show(self) -> None:
        """Read the tokens again."""
        listed = await asyncio.to_thread(self._tokens.listed)
        self._list.clear()
        with self._list:
            if not listed:
                ui.label("There are none.").classes("quiet")
            for one in listed:
                self._row(one)

    def _row(self, one: Token) -> None:
        used = f"last used {moment(one.used_ms)}" if one.used_ms else "not used yet"
        with box("people-row"):
            with box("people-who"):
                ui.label(one.name).classes("people-name")
                ui.label(f"{used}, expires {moment(one.expires_ms)}").classes("quiet")
            ui.label(", ".join(one.scopes))
            with box("people-buttons"):
                _button("Revoke", partial(self._revoke, one.name))

    async def _create(self) -> None:
        name, scopes = (self._name.value or "").strip(), list(self._scopes.value or [])
        days, made = float(self._days.value or 30), list[str]()
        create = partial(self._tokens.create, name, scopes, days)
        if await changed(lambda by: made.append(create(by)), self.show):
            self._made.set_text(f"{made[0]} — keep it well: it cannot be shown again.")
            self._made.set_visibility(True)
            self._name.value = ""

    async def _revoke(self, name: str) -> None:
        if await sure(f"Revoke {name}? The program is shut out at once.", "Revoke"):
            await changed(lambda by: self._tokens.revoke(name, by), self.show)


async def sure(question: str, word: str) -> bool:
    """Ask before what cannot be undone."""
    with ui.dialog() as dialog, ui.card():
        ui.label(question)
        with box("people-buttons"):
            _button("Cancel", lambda: dialog.submit(False))
            _button(word, lambda: dialog.submit(True))
    answer = await dialog
    dialog.delete()
    return bool(answer)


def _button(words: str, on_click: Callable[[], object]) -> None:
    ui.button(words, on_click=on_click).props("no-caps outline dense")


def _role(chosen: object) -> Role:
    return next((one for one in ROLES if one == chosen), "viewer")


def _seen(member: Member) -> str:
    if not member.sessions:
        return f"not signed in; added {moment(member.added_ms)}"
    where = "1 browser" if member.sessions == 1 else f"{member.sessions} browsers"
    return f"signed in on {where}; last here {moment(member.used_ms or 0)}"
