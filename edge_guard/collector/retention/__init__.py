"""What the collector deletes by age and size, and what it never does."""

from __future__ import annotations

from edge_guard.collector.retention.keeper import Retention

__all__ = ["Retention"]
