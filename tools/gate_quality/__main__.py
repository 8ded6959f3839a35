"""``python tools/gate_quality``: degraded images, caught or not, and for which reason."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec

from gate_quality.measure import Counts, measure
from gate_quality.scenes import MAKERS, Scene
from gate_quality.tables import table


def main() -> None:
    """Measure, and print tables or JSON lines."""
    arguments = _arguments()
    started = time.monotonic()
    for name in arguments.scenes:
        found: dict[str, Counts] = {}
        maker, n = MAKERS[name]
        for counts in _measured(maker(arguments.seed, arguments.references or n), arguments.seed):
            for kind, some in counts.items():
                found.setdefault(kind, Counts()).add(some)
        if arguments.json:
            print(msgspec.json.encode({"type": "scene", "scene": name, "kinds": found}).decode())
        else:
            print("\n".join(table(name, found)), end="\n\n", flush=True)
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)


def _measured(scenes: Iterator[Scene], seed: int) -> Iterator[dict[str, Counts]]:
    with ProcessPoolExecutor(os.cpu_count() or 1, get_context("spawn")) as pool:
        yield from pool.map(measure, scenes, *[iter(lambda: seed, None)])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gate_quality", description=__doc__)
    parser.add_argument(
        "--scenes", nargs="+", choices=MAKERS, default=list(MAKERS), metavar="SCENE",
        help=f"what to measure (default all: {', '.join(MAKERS)})",
    )  # fmt: skip
    parser.add_argument("--references", type=int, help="references to calibrate on")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default 0)")
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of tables")
    return parser.parse_args()


if __name__ == "__main__":
    main()
