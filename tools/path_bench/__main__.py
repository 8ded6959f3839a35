"""``python tools/path_bench``: from a device's disk to the collector's database, measured.

A device's outbox and publisher, a broker and a collector, each in a process of its own on this
machine. Every number is of durable work: the spool syncs each event, the collector each batch.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from path_bench import brokers, ends


def main() -> None:
    """Measure the spool alone, then the path over each broker."""
    arguments = _arguments()
    _show(ends.spool_cost(_folder(), arguments.events, arguments.picture_bytes), arguments.json)
    for name in arguments.brokers:
        with brokers.KINDS[name](_folder()) as broker:
            for record in _path(broker, arguments):
                _show({"broker": name} | record, arguments.json)


def _path(broker: brokers.Broker, arguments: argparse.Namespace) -> list[dict[str, object]]:
    size = arguments.picture_bytes
    return [
        ends.throughput(_folder(), broker, arguments.events, size),
        ends.throughput(_folder(), broker, arguments.events, 0),
        ends.latency(_folder(), broker, arguments.seconds, arguments.rate, size),
    ]


def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="path-bench-"))


def _show(record: dict[str, object], as_json: bool) -> None:
    if as_json:
        print(json.dumps(record), flush=True)
    else:
        print("  ".join(f"{name} {value}" for name, value in record.items()), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="path_bench", description=__doc__)
    parser.add_argument("brokers", nargs="*", metavar="BROKER", help=", ".join(brokers.KINDS))
    parser.add_argument("--events", type=int, default=2000, help="of a backlog (default 2000)")
    parser.add_argument("--picture-bytes", type=int, default=20_000, help="default 20000")
    parser.add_argument("--seconds", type=float, default=20.0, help="of live events (default 20)")
    parser.add_argument(
        "--rate", type=float, default=20.0, help="live events a second (default 20)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    arguments = parser.parse_args()
    arguments.brokers = arguments.brokers or [*brokers.KINDS]
    if unknown := set(arguments.brokers) - set(brokers.KINDS):
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(brokers.KINDS)}")
    return arguments


if __name__ == "__main__":
    main()
