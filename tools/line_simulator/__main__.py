"""``python tools/line_simulator``: labelled folders, and footage with its script."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from line_simulator import defects, recording, shift


def main() -> None:
    """Run the command named on the command line."""
    arguments = _parser().parse_args()
    if arguments.command == "parts":
        counts = dict.fromkeys(defects.LABELS, arguments.defective) | {"ok": arguments.good}
        recording.write_folders(arguments.folder, counts, arguments.seed)
    else:
        recording.write_video(arguments.video, (image for image, _ in shift.play(arguments.seed)))
        arguments.events.write_text(json.dumps(shift.script(), indent=1) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="line_simulator", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    parts = commands.add_parser("parts", help="write one folder of images a label")
    parts.add_argument("folder", type=Path)
    parts.add_argument("--good", type=int, default=300, help="good parts (default %(default)s)")
    parts.add_argument(
        "--defective", type=int, default=60, help="parts of each defect (default %(default)s)"
    )
    parts.add_argument("--seed", type=int, default=1, help="draws the parts (default %(default)s)")
    footage = commands.add_parser("footage", help="write one shift as video and script")
    footage.add_argument("video", type=Path, help="ends in .avi")
    footage.add_argument("events", type=Path, help="ends in .json")
    footage.add_argument("--seed", type=int, default=42, help="(default %(default)s)")
    return parser


if __name__ == "__main__":
    main()
