"""``python tools/guard_quality``: measure the guard beside single detectors on the real data."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec

from guard_quality import peers, tables
from guard_quality.compare import compare
from guard_quality.degraded import BOARDS, board, patches
from guard_quality.domains import DOMAINS
from guard_quality.good_only import good_only

Job = Callable[[], Any]


def main() -> None:
    """Measure, and print tables or JSON lines."""
    a = _arguments()
    if not peers.available():
        print(f"single detectors are left out; to have them: {peers.INSTALL}", file=sys.stderr)
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), max_tasks_per_child=1) as pool:
        parts = [
            (
                f"{n} references",
                tables.comparisons,
                [partial(compare, m, n, a.seed) for m in a.models],
            )
            for n in a.references
        ]
        if set(a.models) == set(DOMAINS):
            parts += _other_parts(a.references[0], a.seed)
        for title, table, found in list(_submitted(pool, parts)):
            results = list(_finished(found, title, as_json=a.json))
            if not a.json:
                print(f"## {title}\n", *table(results), sep="\n", end="\n\n", flush=True)


def _other_parts(references: int, seed: int) -> list[tuple[str, tables.Table, list[Job]]]:
    """Return what is measured on one model only."""
    streams = [partial(board, index, references, seed) for index in range(BOARDS)]
    degraded: list[Job] = [partial(patches, references, seed), *streams]
    return [
        (f"Degraded images, {references} references", tables.degradations, degraded),
        ("Defects, from good parts only", tables.good_only, [partial(good_only, seed)]),
    ]


def _submitted(
    pool: Executor, parts: Iterable[tuple[str, tables.Table, list[Job]]]
) -> Iterator[tuple[str, tables.Table, list[Any]]]:
    for title, table, jobs in parts:
        yield title, table, [pool.submit(job) for job in jobs]


def _finished(found: list[Any], title: str, *, as_json: bool) -> Iterator[Any]:
    """Yield the results of one part as they come, saying so."""
    for number, future in enumerate(found, 1):
        result = future.result()
        print(f"{title}: {number}/{len(found)}", file=sys.stderr, flush=True)
        if as_json:
            record = {"type": type(result).__name__.lower()} | asdict(result)
            print(msgspec.json.encode(record).decode(), flush=True)
        yield result


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
        help=f"models to measure, without degraded images; default all: {', '.join(DOMAINS)}",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default 0)")
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of tables")
    return parser.parse_args()


if __name__ == "__main__":
    main()
