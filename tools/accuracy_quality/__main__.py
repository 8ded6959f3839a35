"""``python tools/accuracy_quality``: are estimates and audits of accuracy as good as their word?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from real_data import data_dir

from accuracy_quality import audits, real, tables


def main() -> None:
    """Print estimated against true accuracy on real images, and the coverage of audits."""
    parser = argparse.ArgumentParser(prog="accuracy_quality", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default 0)")
    parser.add_argument(
        "--labelled", type=int, default=1000, help="labelled references (default 1000)"
    )
    parser.add_argument("--only", default="", help="scenes whose name holds this")
    arguments = parser.parse_args()
    if data_dir() is None:
        print("the estimates need the real data: set EDGE_GUARD_DATA", file=sys.stderr)
    for scene in real.SCENES if data_dir() else ():
        if arguments.only in scene.name:
            basis, rows = real.measured(scene, arguments.labelled, arguments.seed)
            print(*tables.scene(scene.name, basis, rows), sep="\n", flush=True)
    if not arguments.only:
        print(*tables.audits(audits.simulated(arguments.seed)), sep="\n")


if __name__ == "__main__":
    main()
