"""``edge-guard config``: check a configuration file, render a fleet's, print the JSON Schema."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from edge_guard.cli.output import Output, add_json_argument
from edge_guard.errors import ConfigError

KINDS = ("device", "collector")
_NAMED = 6
"""Devices that are named beside a problem that they share."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Checks a device's, collector's or fleet's configuration, makes the devices' files of a "
        "fleet file, or prints a schema."
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="report every problem of a file",
        description="Reports every problem of a device's, collector's or fleet's configuration "
        "with line, key, reason and the nearest known key; of a fleet, for all its devices at "
        "once. Exit code 0: none; 2: there are some.",
    )
    check.add_argument(
        "file", type=Path, metavar="FILE", help="device, collector or fleet TOML file"
    )
    add_json_argument(check)
    render = actions.add_parser(
        "render",
        help="make the devices' files of a fleet file",
        description="Makes device.toml files of a fleet file, each value with the place that it "
        "comes from and what it overrides. With --device, one on stdout; with -o, all in a folder "
        "each, with the bundles and keys that they name beside them: copy it to the device. "
        "Refused where the file has problems; with --device, those of other devices do not count.",
    )
    render.add_argument("file", type=Path, metavar="FLEET.toml", help="the fleet file")
    render.add_argument("--device", metavar="ID", help="only this one")
    render.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder to write to")
    add_json_argument(render)
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
    from edge_guard.config.fleet import is_fleet

    output = Output(args.json)
    if args.action == "render":
        return _render(args.file, args.device, args.output, output)
    return _check_fleet(args.file, output) if is_fleet(args.file) else _check(args.file, output)


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


def _check_fleet(file: Path, output: Output) -> int:
    """Report all problems of all devices; people get one that several devices have once."""
    from edge_guard.config.fleet import Fleet

    fleet = Fleet(file)
    problems = fleet.problems()
    whose: dict[str, list[str]] = {}
    for device, problem in ((one.device, one.problem) for one in problems):
        output.record({"type": "problem", "device": device} | msgspec.structs.asdict(problem))
        whose.setdefault(problem.sentence(file), []).append(device)
    for sentence, devices in whose.items():
        named = ", ".join(devices) if len(devices) <= _NAMED else f"{len(devices)} devices"
        output.text(sentence + (f" [{named}]" if devices[0] else ""), color="red")
    count = len(fleet.devices)
    output.record({"type": "config", "problems": len(problems), "devices": count})
    if not problems:
        output.text(f"{file}: no problem found in {count} devices", color="green")
    return ConfigError.exit_code if problems else 0


def _render(file: Path, device: str | None, folder: Path | None, output: Output) -> int:
    from edge_guard.config.fleet import Fleet, write_device

    fleet = Fleet(file)
    wanted = [fleet.device(device)] if device is not None else list(fleet.devices)
    if device is None and folder is None:
        raise ConfigError("nothing says which device", "give --device ID, or -o DIR for all")
    names = {"", *(one.id for one in wanted)}  # the file's own problems, and theirs
    if problems := [one.problem for one in fleet.problems() if one.device in names]:
        more = f"'edge-guard config check {file}' lists all"
        raise ConfigError(problems[0].sentence(file), more)
    if folder is None:
        print(wanted[0].toml(), end="")
        return 0
    for one in wanted:
        path = write_device(one, file.absolute().parent, folder)
        output.record({"type": "rendered", "device": one.id, "path": str(path)})
        output.text(f"{path}")
    return 0


def _print_schema(kind: str) -> int:
    from edge_guard.config import CollectorConfig, DeviceConfig

    schema = msgspec.json.schema(DeviceConfig if kind == "device" else CollectorConfig)
    print(msgspec.json.format(msgspec.json.encode(schema), indent=2).decode())
    return 0
