"""``python tools/drift_quality``: are the drift monitors as good as their word?"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec
from promises import verdicts
from promises.verdicts import Check

PARTS = ("simulated", "real", "peers")


def main() -> None:
    """Measure; the exit code is 1 when a promise is broken.

    Parts import what they need, so that peers can be measured where only they install.
    """
    arguments = _arguments()
    started, checks = time.monotonic(), list[Check]()
    with ProcessPoolExecutor(os.cpu_count() or 1, get_context("spawn")) as pool:
        if "simulated" in arguments.parts:
            from drift_quality import promised

            jobs = promised.jobs(arguments.runs, arguments.seed)
            checks += [check for part in pool.map(promised.run, jobs) for check in part]
        if "real" in arguments.parts:
            checks += _real(pool, arguments)
        if "peers" in arguments.parts:
            from drift_quality import peers

            for line in peers.table(arguments.runs, arguments.seed):
                print(line, flush=True)
    if arguments.json:
        for check in checks:
            print(msgspec.json.encode(asdict(check)).decode())
    else:
        print(*verdicts.table(checks), sep="\n")
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
    sys.exit(0 if all(check.kept for check in checks) else 1)


def _real(pool: ProcessPoolExecutor, arguments: argparse.Namespace) -> Iterator[Check]:
    from real_data import data_dir

    from drift_quality import promised, real, tables
    from drift_quality.scenes import DEVELOPMENT, SCENES

    if data_dir() is None:
        print("real streams need the real data: set EDGE_GUARD_DATA", file=sys.stderr)
        return
    measure = partial(real.scene, repeats=arguments.repeats, seed=arguments.seed)
    found = list(pool.map(measure, DEVELOPMENT if arguments.develop else SCENES))
    if arguments.json:
        for one in found:
            print(msgspec.json.encode({"type": "scene"} | asdict(one)).decode())
    else:
        for one in found:
            print(*tables.real_table(one), sep="\n", flush=True)
    yield from promised.of_real(found)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="drift_quality", description=__doc__)
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART",
        help=f"what to measure (default all: {', '.join(PARTS)})",
    )  # fmt: skip
    parser.add_argument("--runs", type=int, default=100, help="simulated runs (default 100)")
    parser.add_argument("--repeats", type=int, default=5, help="of a real change (default 5)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default 0)")
    parser.add_argument(
        "--develop", action="store_true", help="real streams apart from those that are reported"
    )
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of tables")
    return parser.parse_args()


if __name__ == "__main__":
    main()
