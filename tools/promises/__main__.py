"""``python tools/promises``: are thresholds and certificates as good as their word?"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec
from real_data import data_dir

from promises import certificates, fitted, thresholds, verdicts
from promises.verdicts import Check


def main() -> None:
    """Check every promise; the exit code is 1 when one is broken."""
    parser = argparse.ArgumentParser(prog="promises", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default 0)")
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of a table")
    arguments = parser.parse_args()
    found = _checked(arguments.seed)
    if arguments.json:
        for check in found:
            print(msgspec.json.encode(asdict(check)).decode())
    else:
        print(*verdicts.table(found), sep="\n")
    sys.exit(0 if all(check.kept for check in found) else 1)


def _checked(seed: int) -> list[Check]:
    jobs = [partial(thresholds.checks, seed)]
    jobs += [partial(fitted.independent, n, 0.05, seed) for n in fitted.REDRAWS]
    jobs += [partial(fitted.video, n, seed) for n in fitted.VIDEO]
    if data_dir():
        jobs += [partial(certificates.checks, m, seed) for m in certificates.MODELS]
    else:
        print("the certificates need the real data: set EDGE_GUARD_DATA", file=sys.stderr)
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        waiting = [pool.submit(job) for job in jobs]
        found: list[Check] = []
        for number, future in enumerate(waiting, 1):
            found += future.result()
            print(f"{number}/{len(waiting)} parts", file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    main()
