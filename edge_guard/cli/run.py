"""``edge-guard run``: guard the streams of a device, unattended."""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from edge_guard.cli.output import Output, add_json_argument
from edge_guard.logs import speak_plainly

if TYPE_CHECKING:
    from edge_guard.daemon import Daemon
    from edge_guard.intake import Item
    from edge_guard.types import Result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Guards the streams of a device until SIGTERM or Ctrl-C (a second one ends it at once), or "
        "until files have ended. The broker is tried for ever; what it has not got stays on the "
        "disk. SIGHUP reads the configuration again. A process that hangs or crashes is started "
        "again, by systemd or else by a small process of its own. Prints one line a frame with "
        "--json, else the flagged frames."
    )
    parser.add_argument(
        "config", type=Path, metavar="DEVICE.toml", help="the device's configuration"
    )
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Run until the end and return 0.

    Raises
    ------
    ConfigError, ArtifactError, StoreError
        The configuration, a bundle or the spool cannot be used.
    SourceError
        A source cannot be opened, or all have failed.
    """
    speak_plainly(getattr(args, "verbose", 0))
    if "NOTIFY_SOCKET" not in os.environ:
        from edge_guard.supervisor import supervise

        supervise()
    from edge_guard.config import load_device_config
    from edge_guard.daemon import Daemon

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the configuration is about to be read anyway
    output = Output(args.json)
    daemon = Daemon(
        load_device_config(args.config),
        lambda item, result: _tell(output, item, result),
        reread=lambda: load_device_config(args.config),
    )
    _obey_signals(daemon)
    try:
        daemon.run()
    finally:
        _conclude(output, daemon)
    return 0


def _obey_signals(daemon: Daemon) -> None:
    def obey(number: int, _frame: object) -> None:
        if daemon.stopping:
            os._exit(128 + number)
        daemon.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, obey)
    signal.signal(signal.SIGHUP, lambda number, frame: daemon.reload())


def _tell(output: Output, item: Item, result: Result) -> None:
    from edge_guard.cli.inspect import record

    whose = {"stream": item.stream, "part_id": item.part_id}
    output.record({**record(item.source, item.sequence, result), **whose})
    if result.reasons:
        words = result.reasons[0].message
        output.text(f"{result.verdict:<8}{item.stream} #{item.sequence}  {words}")


def _conclude(output: Output, daemon: Daemon) -> None:
    verdicts = daemon.verdicts()
    produced, pending = daemon.final_counts
    output.record(
        {
            "type": "run",
            "frames": verdicts.total(),
            "verdicts": verdicts,
            "events": {"produced": produced, "pending": pending},
        }
    )
    counts = ", ".join(f"{n} {verdict}" for verdict, n in verdicts.items()) or "no verdict"
    output.text(f"{verdicts.total()} frames: {counts}; {produced} messages produced", color="bold")
    if pending:
        output.text(f"{pending} messages wait on the disk and leave at the next start")
