"""What surrounds every page: its head, trouble worth a banner, and the heartbeat of live pages."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from edge_guard.collector.feed import News
from edge_guard.collector.people import Person
from edge_guard.collector.web.access import person
from edge_guard.collector.web.marks import Mark, box, link
from edge_guard.collector.web.site import Site

HEARTBEAT_S = 0.25
_OPEN_TO_ALL = (
    "Nobody signs in here: whoever reaches this address may do everything ([web] sign_in is off)."
)


class Frame:
    """Builds the head and follows the feed; enter ``body`` to add the page's own content.

    Parameters
    ----------
    site : Site
    page : str
        ``plant``, ``review``, ``rollouts`` or ``frames``: which entry of the menu is the
        present one.
    on_news : callable, optional
        Gets what changed since the last heartbeat; first of all everything.
    """

    def __init__(
        self, site: Site, page: str = "", on_news: Callable[[News], None] | None = None
    ) -> None:
        who = person()
        self._feed = site.feed
        self._on_news = on_news
        self._version = 0
        with box("head", "header"):
            with box("head-name"):
                link(site.title, "/", "head-title")
            with box("head-menu", "nav"):
                link("Plant", "/", "menu is-here" if page == "plant" else "menu")
                link("Review", "/review", "menu is-here" if page == "review" else "menu")
                link("Rollouts", "/rollouts", "menu is-here" if page == "rollouts" else "menu")
                link("Flagged frames", "/events", "menu is-here" if page == "frames" else "menu")
                if who.may("engineer"):
                    link("People", "/people", "menu is-here" if page == "people" else "menu")
                    link("Datasets", "/datasets", "menu is-here" if page == "datasets" else "menu")
                    link("Trail", "/trail", "menu is-here" if page == "trail" else "menu")
            with box("head-link"):
                ui.label("broker").classes("head-label")
                self._mark = Mark("connecting")
            if who.signed_in:
                _who(who)
        if site.people.is_open_to_all:
            ui.label(_OPEN_TO_ALL).classes("banner")
        self._banner = ui.label().classes("banner")
        self.body = box("body", "main")

    def follow(self) -> None:
        """Show the present, then keep following it; call when the page is built."""
        self._beat()
        ui.timer(HEARTBEAT_S, self._beat)

    def _beat(self) -> None:
        news = self._feed.since(self._version)
        if news is None:
            return
        self._version = news.version
        self._mark.show(news.link.state)
        trouble = _trouble(news)
        self._banner.set_text(trouble)
        self._banner.set_visibility(bool(trouble))
        if self._on_news is not None:
            self._on_news(news)


def _who(who: Person) -> None:
    with box("head-who"):
        with box("head-person"):
            link(who.name, "/password", "head-name-own").props["title"] = "change the password"
            ui.label(who.role).classes("head-label")
        # A form needs no websocket, and no script of ours.
        ui.html(
            '<form method="post" action="/sign-out"><button class="head-out">Sign out</button>'
            "</form>",
            sanitize=False,
        )


def _trouble(news: News) -> str:
    if news.trouble:
        return (
            f"The collector cannot store at present ({news.trouble}). "
            "Devices keep what they have; nothing is lost."
        )
    if news.link.state == "unreachable":
        return (
            f"Broker unreachable at {news.link.address} ({news.link.detail}). Trying again for "
            "ever; what you see is the state before. Devices keep what they have."
        )
    if news.overfull:
        return f"Limits of the store: {news.overfull}."
    return f"Webhooks: {news.untold}." if news.untold else ""
