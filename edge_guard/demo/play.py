"""The demo from start to end: broker, collector, device; then the accounts are balanced."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing, suppress

from edge_guard.demo.account import Ledger, Report
from edge_guard.demo.assets import Script
from edge_guard.demo.children import Child, Children
from edge_guard.demo.world import World
from edge_guard.errors import LinkError

_EDGE_GUARD = ("-m", "edge_guard.cli.main")
_START_SECONDS = 60.0
_SETTLE_SECONDS = 30.0
_POLL_SECONDS = 0.25


def play(
    world: World,
    script: Script,
    frames: int | None,
    started: Callable[[], None],
    progress: Callable[[int], None],
    pause: Callable[[float], None],
) -> Report:
    """Run the world and return what happened.

    Parameters
    ----------
    world : World
    script : Script
    frames : int, optional
        Stop when so many are reported; None: when ``pause`` says so.
    started : callable
        Called once the page can be opened.
    progress : callable
        Called with the number of frames that have been reported.
    pause : callable
        ``pause(seconds)`` waits, or raises KeyboardInterrupt when the demo is to end.

    Raises
    ------
    KeyboardInterrupt
        It was to end before the page could be opened.
    LinkError
        A process ended by itself or did not start.
    """
    with Children(world.folder) as children:
        broker = children.start(
            "broker", "-m", "edge_guard.demo.broker", str(world.broker_port), str(world.credentials)
        )
        broker.wait_for_port(world.broker_port, _START_SECONDS, pause)
        collector = children.start("collector", *_EDGE_GUARD, "collect", str(world.collector))
        collector.wait_for_port(world.page_port, _START_SECONDS, pause)
        with closing(Ledger(world)) as ledger:
            device = children.start("device", *_EDGE_GUARD, "run", str(world.device))
            with suppress(KeyboardInterrupt):  # the way to end a demo without --seconds
                started()
                _follow(ledger, children, device, frames, progress, pause)
            _settle(ledger, device)
            return ledger.report(script)


def _follow(
    ledger: Ledger,
    children: Children,
    device: Child,
    frames: int | None,
    progress: Callable[[int], None],
    pause: Callable[[float], None],
) -> None:
    """Watch until enough frames are reported."""
    silent_since, seen = time.monotonic(), 0
    while frames is None or ledger.frames < frames:
        children.check()
        ledger.read()
        if ledger.frames > seen:
            silent_since, seen = time.monotonic(), ledger.frames
            progress(seen)
        elif time.monotonic() - silent_since > _START_SECONDS:
            raise LinkError(
                f"nothing has come from the demo's device for {_START_SECONDS:.0f} s",
                device.last_words(),
            )
        pause(_POLL_SECONDS)


def _settle(ledger: Ledger, device: Child) -> None:
    """Stop the device and wait until the collector has what it left."""
    device.stop()
    deadline = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < deadline:
        counts = ledger.counts()
        if counts.stored + counts.dropped >= counts.produced:
            break
        time.sleep(_POLL_SECONDS)
    ledger.read()
