"""``python tools/fleet``: a plant of simulated devices, and real collectors under its load.

Starts Mosquitto with the queues of deploy/mosquitto.conf, a database and collectors, lets the
devices work, waits until every message has its receipt, and counts in the database what came.
The exit code is 1 when anything was lost, doubled, or is still without a receipt.

    python tools/fleet --seconds 600
    python tools/fleet --store postgresql --collectors 2 --kill-after 60 --json
    python tools/fleet bulk --events 1000000 sqlite:///million.sqlite
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edge_guard.errors import EdgeGuardError
from fleet import account, plant
from fleet.drive import Fleet, Load


def main() -> int:
    """Run what the command line says."""
    if sys.argv[1:2] == ["bulk"]:
        from fleet.bulk import main as bulk

        return bulk(sys.argv[2:])
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the plant's processes end with it
    folder = Path(tempfile.mkdtemp(prefix="fleet-", dir=arguments.folder))
    try:
        record = run(folder, arguments)
    except EdgeGuardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(json.dumps(record) if arguments.json else account.table(record), flush=True)
    if not arguments.keep:
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        print(f"left in {folder}", file=sys.stderr)
    return 0 if _whole(record) else 1


def run(folder: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """Return the account of one run."""
    port = plant.free_port()
    processes = [plant.mosquitto(folder, port)]
    home: Path | None = None
    try:
        url = f"sqlite:///{folder / 'c.sqlite'}"
        if arguments.store == "postgresql":
            server, url, home = plant.postgresql(folder)
            processes.append(server)
        group = "plant" if arguments.collectors > 1 else None
        for n in range(arguments.collectors):
            processes.append(plant.collector(folder, f"collector-{n + 1}", port, url, group))
        return _work(folder, port, url, processes, arguments)
    finally:
        for process in reversed(processes):
            process.end()
        if home is not None and not arguments.keep:
            shutil.rmtree(home)


def _work(
    folder: Path,
    port: int,
    url: str,
    processes: list[plant.Process],
    arguments: argparse.Namespace,
) -> dict[str, object]:
    fleet = Fleet("127.0.0.1", port, _load(arguments))
    uses = {one.name: [one.use()] for one in processes}
    begun, own = time.monotonic(), time.process_time()

    def each_second(at: float) -> None:
        if int(at) % 5 == 0:
            _note(processes, uses)
        if arguments.verbose:
            print(_progress(at, fleet), file=sys.stderr)

    fleet.run(arguments.seconds, _with_kill(each_second, processes, arguments.kill_after))
    worked = time.monotonic() - begun
    behind = fleet.tally.produced - fleet.tally.receipted
    fleet.drain(arguments.drain_seconds, each_second)
    drained = time.monotonic() - begun - worked
    fleet.close()
    _note(processes, uses)
    stored = account.count(url, folder / "frames", fleet.devices)
    total = time.monotonic() - begun
    return {
        "store": arguments.store,
        "collectors": arguments.collectors,
        "devices": arguments.devices,
        "seconds": round(worked, 1),
        "events_per_second": round(fleet.tally.pictures / worked, 1),
        "behind_at_the_end": behind,
        "drained_after_s": round(drained, 2),
        **account.outcome(fleet.tally, stored),
        "cpu_cores": {
            name: round((seen[-1].cpu_s - seen[0].cpu_s) / total, 2) for name, seen in uses.items()
        }
        | {"fleet": round((time.process_time() - own) / total, 2)},
        "memory_mib": {name: round(max(u.memory_mib for u in seen)) for name, seen in uses.items()},
        "disk_bytes": _disk(folder, url),
    }


def _note(processes: list[plant.Process], uses: dict[str, list[plant.Use]]) -> None:
    for one in processes:
        if one.runs:
            uses[one.name].append(one.use())


def _with_kill(
    each_second: Callable[[float], None], processes: list[plant.Process], at_s: float | None
) -> Callable[[float], None]:
    """Kill the last collector, once."""

    def watched(at: float) -> None:
        each_second(at)
        if at_s is not None and at >= at_s and processes[-1].runs:
            processes[-1].kill()

    return watched


def _progress(at: float, fleet: Fleet) -> str:
    tally = fleet.tally
    return (
        f"{at:6.0f} s  produced {tally.produced}  receipted {tally.receipted}  "
        f"behind {tally.produced - tally.receipted}  sent again {tally.resent}  "
        f"load {os.getloadavg()[0]:.1f}"
    )


def _disk(folder: Path, url: str) -> dict[str, int]:
    if url.startswith("sqlite"):
        database = sum(file.stat().st_blocks * 512 for file in folder.glob("c.sqlite*"))
    else:
        database = plant.disk_bytes([Path(url.partition("host=")[2]) / "data"])
    return {"database": database, "pictures": plant.disk_bytes([folder / "frames"])}


def _whole(record: dict[str, object]) -> bool:
    wrong = ("lost", "duplicates", "broken_pictures")
    return record["produced"] == record["receipted"] and not any(record[name] for name in wrong)


def _load(arguments: argparse.Namespace) -> Load:
    return Load(
        devices=arguments.devices,
        connections=min(arguments.connections, arguments.devices),
        rate=arguments.rate,
        picture_bytes=arguments.picture_bytes,
        outages=arguments.outages,
        outage_s=arguments.outage_seconds,
        drifting=arguments.drifting,
        again_s=arguments.again_seconds,
        seed=arguments.seed,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="fleet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--devices", type=int, default=1000, help="default 1000")
    add("--seconds", type=float, default=60.0, help="how long they work (default 60)")
    add("--rate", type=float, default=1.0, help="events a second and device (default 1)")
    add("--picture-bytes", type=int, default=30_000, help="of each event (default 30000)")
    add("--connections", type=int, default=8, help="to the broker, for all (default 8)")
    add("--store", choices=("sqlite", "postgresql"), default="sqlite", help="default sqlite")
    add("--collectors", type=int, default=1, help="that share the load (default 1)")
    add("--kill-after", type=float, metavar="S", help="kill -9 the last collector after so long")
    add("--outages", type=float, default=0.05, help="share of devices with one (default 0.05)")
    add("--outage-seconds", type=float, default=20.0, help="how long each lasts (default 20)")
    add("--drifting", type=float, default=0.05, help="share of devices that drift (default 0.05)")
    add("--again-seconds", type=float, default=30.0, help="to a repetition (default 30)")
    add("--drain-seconds", type=float, default=120.0, help="to wait for receipts (default 120)")
    add("--folder", type=Path, help="for database and pictures (default: the system's temporary)")
    add("--keep", action="store_true", help="leave database and pictures there")
    add("--seed", type=int, default=1, help="of the devices' chances (default 1)")
    add("--json", action="store_true", help="print the account as JSON")
    add("--verbose", action="store_true", help="say each second how it stands")
    arguments = parser.parse_args()
    if arguments.collectors > 1 and arguments.store == "sqlite":
        parser.error("collectors share a PostgreSQL, not a SQLite: add --store postgresql")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
