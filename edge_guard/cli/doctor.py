"""``edge-guard doctor``: is this device fit to guard its line?"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from edge_guard.cli.output import Output, add_json_argument

if TYPE_CHECKING:
    from edge_guard.doctor.findings import Finding

_COLORS = {"ok": "green", "warning": "yellow", "problem": "red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Examines a device: permissions, disk, clock, temperature, bundles, cameras, broker and "
        "collector. One line a finding, with what to do about it. The exit code is 0 without a "
        "problem, else that of the first one. The daemon may run meanwhile, but not with the same "
        "camera."
    )
    parser.add_argument(
        "config", type=Path, metavar="DEVICE.toml", help="the device's configuration"
    )
    parser.add_argument(
        "--fix",
        action="store_true",
        help="make a missing spool folder, and take permissions on secrets from others",
    )
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Return the exit code of the first problem, or 0."""
    from edge_guard.doctor.examine import examine
    from edge_guard.doctor.findings import EXIT_CODES, Level

    output = Output(args.json)
    counts: Counter[str] = Counter()
    code = 0
    for finding in examine(args.config, fix=args.fix):
        counts[finding.level] += 1
        if finding.level == Level.PROBLEM:
            code = code or EXIT_CODES[finding.area]
        _print(output, finding)
    totals = {str(level): counts[level] for level in Level}
    output.record({"type": "examined", **totals, "exit_code": code})
    output.text(", ".join(f"{n} {level}" for level, n in totals.items()), color="bold")
    return code


def _print(output: Output, finding: Finding) -> None:
    output.record(
        {
            "type": "finding",
            "area": finding.area,
            "level": finding.level,
            "message": finding.message,
            "remedy": finding.remedy,
            "fixed": finding.fixed,
        }
    )
    mark = output.paint(f"{finding.level:<8}", _COLORS[finding.level])
    said = f"{finding.message}{' – put right' if finding.fixed else ''}"
    output.text(f"{mark} {finding.area:<13} {said}")
    if finding.remedy:
        output.text(f"{'':<23}→ {finding.remedy}")
