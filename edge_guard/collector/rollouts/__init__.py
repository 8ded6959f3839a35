"""Bundles on their way to streams: one, then a share, then all, and back when they are bad."""

from __future__ import annotations

from edge_guard.collector.rollouts.book import Rollouts, UnknownRolloutError
from edge_guard.collector.rollouts.choice import ConflictError, Order, Place, StreamName
from edge_guard.collector.rollouts.conductor import Conductor
from edge_guard.collector.rollouts.machine import Act, NotNowError, wanted
from edge_guard.collector.rollouts.plan import Plan, Rule, Stage
from edge_guard.collector.rollouts.state import Rollout, Target

__all__ = [
    "Act",
    "Conductor",
    "ConflictError",
    "NotNowError",
    "Order",
    "Place",
    "Plan",
    "Rollout",
    "Rollouts",
    "Rule",
    "Stage",
    "StreamName",
    "Target",
    "UnknownRolloutError",
    "wanted",
]
