"""Everything about people that the collector keeps, as one object."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edge_guard.collector.people.roster import Roster
from edge_guard.collector.people.sessions import Sessions
from edge_guard.collector.people.tokens import Tokens
from edge_guard.collector.people.visits import SignIn, Visits
from edge_guard.collector.pictures import open_pictures
from edge_guard.collector.store import Store
from edge_guard.collector.trail import Trail
from edge_guard.config import CollectorConfig, WebTable
from edge_guard.errors import ConfigError

LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True, slots=True)
class Keepers:
    """What a database says of people, without a page."""

    roster: Roster
    tokens: Tokens
    trail: Trail


@contextmanager
def opened(config: CollectorConfig) -> Iterator[Keepers]:
    """Give the people of a collector, whether it runs or not.

    Raises
    ------
    StoreError
        The database cannot be opened.
    """
    store = Store(config.store.url, open_pictures(config.store))
    try:
        trail = Trail(store)
        yield Keepers(Roster(store, trail), Tokens(store, trail), trail)
    finally:
        store.close()


class People:
    """The people, their sessions and visits, and the tokens of programs.

    Parameters
    ----------
    store : Store
    trail : Trail
    config : WebTable

    Attributes
    ----------
    roster : Roster
    sessions : Sessions
    tokens : Tokens
    visits : Visits
    longest_s : int
        A session lasts no longer.
    is_open_to_all : bool
        Whoever reaches the page from elsewhere may do everything.

    Raises
    ------
    ConfigError
        Nobody could sign in, though it is needed.
    """

    def __init__(self, store: Store, trail: Trail, config: WebTable) -> None:
        self.roster = Roster(store, trail)
        self.tokens = Tokens(store, trail)
        self.longest_s = round(config.session_hours * 3600)
        idle_ms = round(config.idle_minutes * 60_000)
        self.sessions = Sessions(store, idle_ms, self.longest_s * 1000)
        sign_in: SignIn = config.sign_in
        # A proxy may leave no trace in what it passes on; these settings are for one.
        by_proxy = bool(config.trusted_proxies or config.allowed_hosts)
        on_loopback = config.host in LOOPBACK and not by_proxy
        self.is_open_to_all = sign_in == "off" and not on_loopback
        if sign_in == "required" or (sign_in == "auto" and not on_loopback):
            _check_somebody(self.roster, config)
        self.visits = Visits(self.roster, self.sessions, self.tokens, sign_in, on_loopback)


def _check_somebody(roster: Roster, config: WebTable) -> None:
    if roster.empty():
        where = f"host {config.host}"
        if config.host in LOOPBACK and config.sign_in == "auto":
            where += ", which others reach (trusted_proxies, allowed_hosts)"
        raise ConfigError(
            f"nobody could sign in at the page on [web] {where}: there are no people yet",
            "add somebody with 'edge-guard people add COLLECTOR.toml NAME --role engineer', or set "
            '[web] sign_in = "off" where everybody who reaches it may do everything',
        )
