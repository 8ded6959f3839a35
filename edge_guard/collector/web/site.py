"""What every page reads from."""

from __future__ import annotations

from dataclasses import dataclass

from edge_guard.collector.bundles import BundleStore
from edge_guard.collector.commands import Commands
from edge_guard.collector.datasets import Datasets
from edge_guard.collector.feed import Feed
from edge_guard.collector.history import History
from edge_guard.collector.judgements import Judgements
from edge_guard.collector.people.house import People
from edge_guard.collector.pictures import Pictures
from edge_guard.collector.pictures.small import Smaller
from edge_guard.collector.queries import Queries
from edge_guard.collector.repeats import Repeats
from edge_guard.collector.retunes.work import Retunes
from edge_guard.collector.review.labels import Labels
from edge_guard.collector.review.queue import ReviewQueue
from edge_guard.collector.rollouts import Rollouts
from edge_guard.collector.store import Store
from edge_guard.collector.trail import Trail
from edge_guard.collector.webhooks.sender import Sender


@dataclass(frozen=True, slots=True)
class Site:
    """The collector as the pages see it."""

    title: str
    queries: Queries
    feed: Feed
    pictures: Pictures
    smaller: Smaller
    judgements: Judgements
    commands: Commands
    datasets: Datasets
    bundles: BundleStore
    people: People
    trail: Trail
    store: Store
    reviews: ReviewQueue
    labels: Labels
    history: History
    repeats: Repeats
    sender: Sender
    retunes: Retunes
    rollouts: Rollouts
