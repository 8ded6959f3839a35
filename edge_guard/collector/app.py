"""The collector as one object: store, broker connection, ingest, page."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from edge_guard.collector.bundles import BundleStore
from edge_guard.collector.commands import Commands
from edge_guard.collector.datasets import Datasets
from edge_guard.collector.feed import Feed
from edge_guard.collector.history import History
from edge_guard.collector.ingest import Ingest
from edge_guard.collector.judgements import Judgements
from edge_guard.collector.link import Link, LinkStatus
from edge_guard.collector.people.house import People
from edge_guard.collector.pictures import open_pictures
from edge_guard.collector.pictures.small import Smaller
from edge_guard.collector.queries import Queries
from edge_guard.collector.receipts import Receipts
from edge_guard.collector.repeats import Repeats
from edge_guard.collector.retention import Retention
from edge_guard.collector.retunes.work import Retunes
from edge_guard.collector.review.labels import Labels
from edge_guard.collector.review.queue import ReviewQueue
from edge_guard.collector.rollouts import Conductor, Rollouts
from edge_guard.collector.store import Store
from edge_guard.collector.trail import Trail
from edge_guard.collector.webhooks.deliveries import Deliveries
from edge_guard.collector.webhooks.outbox import Outbox
from edge_guard.collector.webhooks.sender import Sender
from edge_guard.config import CollectorConfig
from edge_guard.errors import ConfigError, StoreError, missing_extra

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.5


class Collector:
    """Receives, stores and shows what devices report. One a process: its pages are global.

    Parameters
    ----------
    config : CollectorConfig

    Raises
    ------
    StoreError
        The database or the picture folder cannot be opened.
    ConfigError
        A setting cannot be used: database URL, password file, certificate, page address.
    """

    def __init__(self, config: CollectorConfig) -> None:
        try:
            from edge_guard.collector.web.server import WebServer
            from edge_guard.collector.web.site import Site
        except ModuleNotFoundError as error:
            raise missing_extra(error.name or "nicegui", "collector") from error
        mqtt, name = config.mqtt, config.collector.id
        pictures = open_pictures(config.store)
        self._store = Store(config.store.url, pictures, Outbox(config.webhook))
        self._sender = self._webhooks(config)
        trail = Trail(self._store)
        people = self._people(trail, config)
        queries = Queries(self._store.engine)
        group = config.collector.group
        status = LinkStatus("connecting", f"{mqtt.host}:{mqtt.port}")
        self.feed = Feed(queries, status, shared=group is not None)
        self._link = Link(mqtt, f"edge-guard-collector-{name}", self.feed.status, group)
        self._voice = Link(
            mqtt, f"edge-guard-collector-{name}-voice", lambda _: None, listens=False
        )
        receipts = Receipts(mqtt.prefix, name, self._voice.publish)
        commands = Commands(self._store, mqtt.prefix, self._voice.publish)
        self._retention = Retention(self._store, config.retention, self.feed)
        self._ingest = Ingest(self._store, self.feed, receipts, mqtt.prefix, commands)
        bundles = BundleStore(Path(config.store.bundle_folder))
        self._retunes = Retunes(self._store, bundles, trail)
        rollouts = Rollouts(self._store, trail, commands, bundles)
        self._conductor = Conductor(rollouts)
        site = Site(
            title=config.web.title,
            queries=queries,
            feed=self.feed,
            pictures=pictures,
            smaller=Smaller(pictures),
            judgements=Judgements(self._store, config.review.second_share),
            commands=commands,
            datasets=Datasets(self._store, pictures, trail, name),
            bundles=bundles,
            rollouts=rollouts,
            retunes=self._retunes,
            store=self._store,
            reviews=ReviewQueue(self._store),
            labels=Labels(self._store),
            people=people,
            trail=trail,
            history=History(self._store.engine),
            repeats=Repeats(self._store),
            sender=self._sender,
        )
        self._web = WebServer(config.web, site)
        if people.is_open_to_all:
            log.warning(
                'with [web] sign_in = "off" everybody who reaches %s may do everything', self.url
            )

    def _people(self, trail: Trail, config: CollectorConfig) -> People:
        try:
            return People(self._store, trail, config.web)
        except ConfigError:
            self._store.close()
            raise

    def _webhooks(self, config: CollectorConfig) -> Sender:
        try:
            return Sender(Deliveries(self._store, config.collector.id), config.webhook)
        except ConfigError:
            self._store.close()
            raise

    @property
    def url(self) -> str:
        """The page's address."""
        return self._web.url

    def start(self) -> None:
        """Return when the page answers; the broker is tried for ever in the background."""
        self._web.start()
        self._ingest.start()
        self._retention.start()
        self._voice.start()
        self._link.start(self._ingest.offer)
        self._sender.start(self.feed.untold)
        self._conductor.start()

    def run_until(self, ended: Callable[[], bool]) -> None:
        """Return when ``ended()`` is true; it is asked twice a second.

        Raises
        ------
        StoreError
            The thread that stores has ended unexpectedly.
        """
        while not ended():
            time.sleep(_POLL_SECONDS)
            if not self._ingest.alive:
                raise StoreError(
                    "storing has stopped on an unexpected error (see the log)",
                    "start the collector again; devices send again what was not stored",
                )

    def stop(self) -> None:
        """Finish the batch at hand and let everything go; what waits stays with the broker."""
        self._conductor.stop()
        self._sender.stop()
        self._retention.stop()
        self._retunes.stop()
        self._ingest.stop()
        self._link.stop()
        self._voice.stop()
        self._web.stop()
        self._store.close()
