"""The real collector without its page, in this process."""

from __future__ import annotations

from pathlib import Path

from edge_guard.collector.feed import Feed
from edge_guard.collector.ingest import Ingest
from edge_guard.collector.link import Link, LinkStatus
from edge_guard.collector.pictures import Pictures, PictureStore
from edge_guard.collector.queries import Queries
from edge_guard.collector.receipts import Receipts
from edge_guard.collector.store import Store
from edge_guard.config import MqttTable


class Core:
    """A collector without its page."""

    def __init__(
        self, folder: Path, config: MqttTable, url: str = "", pictures: Pictures | None = None
    ) -> None:
        self.store = Store(
            url or f"sqlite:///{folder / 'c.sqlite'}", pictures or PictureStore(folder / "frames")
        )
        self.queries = Queries(self.store.engine)
        self.feed = Feed(self.queries, LinkStatus("connecting", ""))
        self.link = Link(config, "collector-under-test", self.feed.status)
        self.ingest = Ingest(
            self.store, self.feed, Receipts(config.prefix, "test", self.link.publish), config.prefix
        )

    def __enter__(self) -> Core:
        self.ingest.start()
        self.link.start(self.ingest.offer)
        return self

    def __exit__(self, *_: object) -> None:
        self.ingest.stop()
        self.link.stop()
        self.store.close()

    def status(self) -> str:
        news = self.feed.since(0)
        assert news is not None
        return news.link.state

    def trouble(self) -> str:
        news = self.feed.since(0)
        assert news is not None
        return news.trouble

    def stored(self) -> int:
        return sum(row.stored for row in self.queries.devices())
