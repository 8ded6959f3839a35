"""``edge-guard demo``: device, broker and collector on the shipped footage, one process tree."""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from edge_guard.cli.output import Output, add_json_argument
from edge_guard.errors import ConfigError, missing_extra

if TYPE_CHECKING:
    from edge_guard.demo.account import Report

_LIBRARIES = ("amqtt", "nicegui", "sqlalchemy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Play one shift of a simulated line on this machine: an embedded broker, a collector with "
        "its page, and a device that guards the shipped model. Ctrl-C ends it."
    )
    parser.add_argument("--seconds", type=float, metavar="N", help="stop after N s of footage")
    parser.add_argument(
        "--port", type=int, metavar="P", help="port of the page (default: 8080, or a free one)"
    )
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Play the demo and return the exit code."""
    _check(args)
    from edge_guard.demo.assets import assets
    from edge_guard.demo.play import play
    from edge_guard.demo.world import build

    output = Output(args.json)
    files = assets()
    frames = None if args.seconds is None else round(args.seconds * files.script.frames_per_second)
    pause = _interruptible_pause()

    def progress(done: int) -> None:
        if frames is not None:
            output.progress("frames", min(done, frames), frames)

    with TemporaryDirectory(prefix="edge-guard-demo-") as folder:
        world = build(Path(folder), files, args.port)
        report = play(
            world, files.script, frames, lambda: _announce(output, world.page), progress, pause
        )
    output.record(report)
    for line in _table(report):
        output.text(line)
    return 0


def _check(args: argparse.Namespace) -> None:
    for library in _LIBRARIES:
        if find_spec(library) is None:
            raise missing_extra(library, "demo")
    if args.seconds is not None and not 0 < args.seconds <= 86_400:
        raise ConfigError(
            f"--seconds {args.seconds:g} is not a length of time for a demo",
            "give between 0 and 86400, or leave it out and stop with Ctrl-C",
        )
    if args.port is not None and not 0 < args.port < 65_536:
        raise ConfigError(f"--port {args.port} is no port", "give a number from 1 to 65535")


def _interruptible_pause() -> Callable[[float], None]:
    """Return a sleep that raises KeyboardInterrupt once a signal has asked for the end.

    Raised anywhere else, between two instructions of ``subprocess``, it can leave a lock held.
    """
    asked: list[int] = []
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the last: the terminal was closed
        signal.signal(one, lambda number, _frame: asked.append(number))

    def pause(seconds: float) -> None:
        time.sleep(seconds)
        if asked:
            raise KeyboardInterrupt

    return pause


def _announce(output: Output, page: str) -> None:
    output.record({"type": "page", "address": page})
    output.text(f"The line is running. Open {page} in a browser; Ctrl-C ends it.", color="bold")


def _table(report: Report) -> Iterator[str]:
    """Yield the report's lines for people."""
    yield ""
    yield f"{report.frames} frames: " + _listed(report.verdicts)
    yield "leading reasons: " + _listed(report.reasons)
    counts = report.events
    yield (
        f"messages: {counts.produced} produced, {counts.stored} stored, {counts.dropped} given up"
    )
    for one in report.scripted:
        word = "caught" if one.caught else "MISSED"
        after = f" after {one.delay_frames} frames" if one.caught else ""
        yield f"  {one.event:<16} {word:<7} {one.reason or 'not flagged'}{after}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.items()) or "none"
