"""``python tools/guard_quality``: measure the guard beside single detectors on the real data."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[n]) for n in (1, 2)]

import msgspec

from guard_quality import peers, tables
from guard_quality.compare import Comparison, compare
from guard_quality.domains import DOMAINS


def main() -> None:
    """Measure, and print tables or JSON lines."""
    arguments = _arguments()
    if not peers.available():
        print(
            f"the single detectors are left out; to have them:\n  {peers.INSTALL}", file=sys.stderr
        )
    for n in arguments.references:
        comparisons = []
        for comparison in compare_all(arguments.models, n, arguments.seed):
            comparisons.append(comparison)
            if arguments.json:
                record = {"type": "comparison"} | asdict(comparison)
                print(msgspec.json.encode(record).decode(), flush=True)
        if not arguments.json:
            print(f"## {n} references\n")
            for part in (tables.models_table, tables.pairs_table, tables.summary):
                print("\n".join(part(comparisons)), end="\n\n", flush=True)


def compare_all(models: Sequence[str], references: int, seed: int) -> Iterator[Comparison]:
    """Yield the comparison of each model; several run side by side, one a core."""
    context = get_context("spawn")
    with ProcessPoolExecutor(min(len(models), os.cpu_count() or 1), context) as pool:
        waiting = [pool.submit(compare, model, references, seed) for model in models]
        for model, future in zip(models, waiting, strict=True):
            print(f"{model}, {references} references", file=sys.stderr, flush=True)
            yield future.result()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="guard_quality", description=__doc__)
    parser.add_argument(
        "--references",
        type=int,
        nargs="+",
        default=[300, 150, 50],
        metavar="N",
        help="references to calibrate on (default 300 150 50)",
    )
    parser.add_argument(
        "--models",
        nargs="+",
        choices=DOMAINS,
        default=list(DOMAINS),
        metavar="MODEL",
        help=f"models to measure (default all: {', '.join(DOMAINS)})",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default 0)")
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of tables")
    return parser.parse_args()


if __name__ == "__main__":
    main()
