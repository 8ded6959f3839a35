"""Where a daemon is in its life, and where it may go from there."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Where the daemon is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


TRANSITIONS = {
    Phase.STARTING: {Phase.RUNNING, Phase.STOPPING, Phase.FAILED},
    Phase.RUNNING: {Phase.STOPPING, Phase.FAILED},
    Phase.STOPPING: {Phase.STOPPED, Phase.FAILED},
    Phase.STOPPED: set[Phase](),
    Phase.FAILED: set[Phase](),
}
