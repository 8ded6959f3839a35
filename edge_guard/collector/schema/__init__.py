"""The collector's tables, and the named migrations that bring a database to them."""

from __future__ import annotations

from edge_guard.collector.schema.columns import metadata
from edge_guard.collector.schema.datasets import datasets
from edge_guard.collector.schema.interfaces import answers, outbox
from edge_guard.collector.schema.migrations import MIGRATIONS, Migration, migrate
from edge_guard.collector.schema.orders import commands, judgements, replies
from edge_guard.collector.schema.people import people, sessions, tokens, trail
from edge_guard.collector.schema.reports import (
    FLAGGED,
    INCOMPLETE,
    alarms,
    boots,
    devices,
    events,
    losses,
    pictures,
    refusals,
    results,
    summaries,
)
from edge_guard.collector.schema.retention import deletions, discarded
from edge_guard.collector.schema.retunes import retunes
from edge_guard.collector.schema.review import newest_word, review_items, stands, stands_blindly
from edge_guard.collector.schema.rollouts import rollout_targets, rollouts

__all__ = [
    "FLAGGED",
    "INCOMPLETE",
    "MIGRATIONS",
    "Migration",
    "alarms",
    "answers",
    "boots",
    "commands",
    "datasets",
    "deletions",
    "devices",
    "discarded",
    "events",
    "judgements",
    "losses",
    "metadata",
    "migrate",
    "newest_word",
    "outbox",
    "people",
    "pictures",
    "refusals",
    "replies",
    "results",
    "retunes",
    "review_items",
    "rollout_targets",
    "rollouts",
    "sessions",
    "stands",
    "stands_blindly",
    "summaries",
    "tokens",
    "trail",
]
