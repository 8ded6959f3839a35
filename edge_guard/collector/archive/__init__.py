"""The store as files: backed up and restored, exported, moved to another database."""

from __future__ import annotations

from edge_guard.collector.archive.backup import back_up, restore
from edge_guard.collector.archive.json_lines import export
from edge_guard.collector.archive.transfer import move

__all__ = ["back_up", "export", "move", "restore"]
