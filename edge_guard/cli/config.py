"""``edge-guard config``: check a configuration file, print the JSON Schema."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from edge_guard.cli.output import Output, add_json_argument
from edge_guard.errors import ConfigError

KINDS = ("device", "collector")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = "Checks a device's or collector's configuration, or prints its schema."
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="report every problem of a file",
        description="Reports every problem of a device's or collector's configuration with line, "
        "key, reason and the nearest known key. Exit code 0: none; 2: there are some.",
    )
    check.add_argument("file", type=Path, metavar="FILE", help="device or collector TOML file")
    add_json_argument(check)
    schema = actions.add_parser(
        "schema",
        help="print the JSON Schema of a file",
        description="Prints the JSON Schema of a device's or collector's configuration.",
    )
    schema.add_argument("kind", choices=KINDS, help="whose configuration")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.action == "schema":
        return _print_schema(args.kind)
    return _check(args.file, Output(args.json))


def _check(file: Path, output: Output) -> int:
    from edge_guard.config import find_problems

    problems = find_problems(file)
    for problem in problems:
        output.record({"type": "problem"} | msgspec.structs.asdict(problem))
        output.text(problem.sentence(file), color="red")
    output.record({"type": "config", "problems": len(problems)})
    if not problems:
        output.text(f"{file}: no problem found", color="green")
    return ConfigError.exit_code if problems else 0


def _print_schema(kind: str) -> int:
    from edge_guard.config import CollectorConfig, DeviceConfig

    schema = msgspec.json.schema(DeviceConfig if kind == "device" else CollectorConfig)
    print(msgspec.json.format(msgspec.json.encode(schema), indent=2).decode())
    return 0
