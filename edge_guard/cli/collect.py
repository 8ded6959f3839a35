"""``edge-guard collect``: the collector."""

from __future__ import annotations

import argparse
import gc
import logging
import signal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.description = (
        "Receive, store and show what devices report, until SIGTERM or Ctrl-C. The broker is "
        "tried for ever; what is stored is confirmed to the devices, which keep it until then."
    )
    parser.add_argument("config", metavar="COLLECTOR.toml", help="the collector's configuration")


def run(args: argparse.Namespace) -> int:
    """Run until a signal and return 0.

    Raises
    ------
    ConfigError
        The configuration cannot be used.
    StoreError
        The database or the picture folder cannot be opened.
    """
    from edge_guard.collector.app import Collector
    from edge_guard.config import load_collector_config

    logging.getLogger("edge_guard.collector").setLevel(logging.INFO)
    asked: list[int] = []  # no Event: the signal may interrupt the thread that holds its lock
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda number, _frame: asked.append(number))
    collector = Collector(load_collector_config(args.config))
    collector.start()
    gc.freeze()  # what was loaded so far stays: the collector of garbage need not look at it again
    # In one piece: other threads log already.
    print(f"collecting; the page is at {collector.url}\n", end="", flush=True)
    try:
        collector.run_until(lambda: bool(asked))
    finally:
        collector.stop()
    return 0
