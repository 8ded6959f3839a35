"""What every page reads from."""

from __future__ import annotations

from dataclasses import dataclass

from edge_guard.collector.bundles import BundleStore
from edge_guard.collector.commands import Commands
from edge_guard.collector.feed import Feed
from edge_guard.collector.judgements import Judgements
from edge_guard.collector.people.house import People
from edge_guard.collector.pictures import PictureStore
from edge_guard.collector.queries import Queries
from edge_guard.collector.review.labels import Labels
from edge_guard.collector.review.queue import ReviewQueue
from edge_guard.collector.store import Store
from edge_guard.collector.trail import Trail


@dataclass(frozen=True, slots=True)
class Site:
    """The collector as the pages see it."""

    title: str
    queries: Queries
    feed: Feed
    pictures: PictureStore
    judgements: Judgements
    commands: Commands
    bundles: BundleStore
    store: Store
    reviews: ReviewQueue
    labels: Labels
    people: People
    trail: Trail
