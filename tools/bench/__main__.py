"""``python tools/bench``: print the Speed table of this machine, peers beside edge-guard."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy starts its threads: every rival runs on one
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import machine, peers, pictures, pipelines, places, startup, tables, vectors
from bench.network import Model
from bench.race import Race, Track

PARTS = {
    "nearest": vectors.nearest_races,
    "gaussian": vectors.gaussian_races,
    "map": places.races,
    "image": pictures.races,
    "call": pipelines.call_races,
}


def main() -> None:
    """Measure what was asked for, and print each row as it is known."""
    arguments = _arguments()
    print(*peers.missing(), sep="\n", file=sys.stderr, flush=True)
    limits = machine.limits()
    tables.show(limits, as_json=arguments.json)
    if set(arguments.parts) & set(PARTS):
        track = Track(arguments.seconds, Model().run)
        for race in _races(arguments.parts):
            tables.show(track.run(race), as_json=arguments.json)
    if "start" in arguments.parts:
        for record in startup.records(arguments.bundle or pipelines.shipped()):
            tables.show(record, as_json=arguments.json)
    if "pipeline" in arguments.parts:
        for record in pipelines.bundles(arguments.bundle, arguments.frames):
            tables.show(record, as_json=arguments.json)


def _races(parts: list[str]) -> Iterator[Race]:
    for name in parts:
        if name in PARTS:
            yield from PARTS[name]()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    known = [*PARTS, "start", "pipeline"]
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(known)}")
    parser.add_argument(
        "--bundle", type=Path, action="append", help="measure this bundle's pipeline"
    )
    parser.add_argument("--frames", type=int, default=200, help="of each pipeline (default 200)")
    parser.add_argument("--seconds", type=float, default=1.0, help="a rival and state (default 1)")
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of a table")
    arguments = parser.parse_args()
    arguments.parts = arguments.parts or known
    if unknown := set(arguments.parts) - set(known):
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(known)}")
    return arguments


if __name__ == "__main__":
    main()
