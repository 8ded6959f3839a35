"""``edge-guard calibrate-all``: calibrate every stream and product of a fleet file."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from edge_guard.cli.children import Children
from edge_guard.cli.output import Output, add_json_argument
from edge_guard.errors import ConfigError

if TYPE_CHECKING:
    from edge_guard.config.fleet import Fleet
    from edge_guard.config.fleet_device import FleetDevice


class Job(NamedTuple):
    """One bundle that is to be made, and for whom."""

    bundle: str
    options: tuple[str, ...]
    used_by: tuple[str, ...]
    camera: str = ""
    """Where its pictures are taken from; empty: they are there already."""


class Made(NamedTuple):
    """What became of a job."""

    job: Job
    exit_code: int
    said: dict[str, Any]
    seconds: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Calibrates all streams and products of a fleet file that have a calibrate table with a "
        "model, each in a process of its own, and prints a table. One that fails stops no other. "
        "Exit code 0: all were made; else the highest of those that were not."
    )
    parser.add_argument("fleet", type=Path, metavar="FLEET.toml", help="the fleet file")
    parser.add_argument(
        "--device", metavar="ID", action="append", help="only this one; may be repeated"
    )
    parser.add_argument("--line", metavar="LINE", help="only the devices of this line")
    parser.add_argument("--missing", action="store_true", help="only bundles that are not there")
    parser.add_argument(
        "--yes",
        action="store_true",
        help="go on with the newest images of earlier captures; else each begins with none",
    )
    parser.add_argument(
        "--changed",
        action="store_true",
        help="products, light or cameras were changed on purpose: the images may be foreign to "
        "the bundles that are there",
    )
    parser.add_argument("--jobs", type=int, default=1, help="bundles at a time (default 1)")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; return 0, or the highest exit code of a calibration that failed."""
    from edge_guard.config.fleet import Fleet

    if args.jobs < 1:
        raise ConfigError("--jobs must be at least 1", "give a positive number")
    output = Output(args.json)
    fleet = Fleet(args.fleet)
    folder = args.fleet.absolute().parent
    jobs = _jobs(fleet, _wanted(fleet, args))
    if args.missing:
        jobs = [job for job in jobs if not (folder / job.bundle).is_file()]
    if not jobs:
        why = "every bundle is there" if args.missing else "no calibrate table names a model"
        output.text(f"there is nothing to calibrate: {why}")
    said = ("--changed",) * args.changed + ("--yes",) * args.yes
    jobs = [_told(job, folder, said, go_on=args.yes) for job in jobs]
    results = _make_all(jobs, args.jobs, folder, output)
    _print(results, output)
    return max((made.exit_code for made in results), default=0)


def _wanted(fleet: Fleet, args: argparse.Namespace) -> list[FleetDevice]:
    """Return the devices that are meant; refuse a file that says anything unclear of them."""
    devices = list(fleet.devices)
    if args.device:
        devices = [fleet.device(name) for name in args.device]
    if args.line is not None:
        devices = [device for device in devices if device.line == args.line]
        if not devices:
            raise ConfigError(f"{fleet.path} has no device on line {args.line!r}", "check --line")
    # Files that are missing concern their own bundle only, whose calibration will say so.
    missing = "there is no file", "there is nothing at"
    wrong = [one for one in fleet.problems() if not one.problem.reason.startswith(missing)]
    if wrong:
        raise ConfigError(
            wrong[0].problem.sentence(fleet.path),
            f"'edge-guard config check {fleet.path}' lists all {len(wrong)}",
        )
    return devices


def _jobs(fleet: Fleet, devices: list[FleetDevice]) -> list[Job]:
    """Return one job a bundle; several streams may share one that is made in one way."""
    jobs: dict[str, Job] = {}
    for device in devices:
        for user, bundle, options, camera in _of_device(device):
            before = jobs.get(bundle)
            if before is not None and (before.options, before.camera) != (options, camera):
                raise ConfigError(
                    f"{fleet.path}: {before.used_by[0]} and {user} would both make {bundle}, each "
                    "in its own way",
                    "give them bundles of their own, for example with {line} in the name",
                )
            users = (*before.used_by, user) if before else (user,)
            jobs[bundle] = Job(bundle, options, users, camera)
    return list(jobs.values())


def _of_device(device: FleetDevice) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Yield who uses each bundle of a device, its file, how it is calibrated and on what camera."""
    calibrations = device.calibrations()
    for stream in device.streams():
        bundles = {"": stream.get("bundle")}
        if "product" in stream:
            bundles = {one["name"]: one["bundle"] for one in stream["product"]}
        for product, bundle in bundles.items():
            table = calibrations.get((stream["name"], product))
            if table is not None and bundle:
                user = "/".join(filter(None, (device.id, stream["name"], product)))
                camera = "" if "reference" in table else stream["source"]
                yield user, bundle, _options(table, stream), camera


def _options(table: dict[str, Any], stream: dict[str, Any]) -> tuple[str, ...]:
    """Return the options of ``edge-guard calibrate``, but for the camera."""
    said = {key: value for key, value in table.items() if key != "model"}
    for key in ("rotate", "flip", "threads"):
        if key in stream:
            said.setdefault(key, stream[key])
    if "region" in stream:
        said["region"] = ",".join(map(str, stream["region"]))
    options = [str(table["model"])]
    for key, value in said.items():
        name = f"--{key.replace('_', '-')}"
        options += [name] * bool(value) if isinstance(value, bool) else [name, str(value)]
    return tuple(options)


def _told(job: Job, folder: Path, said: tuple[str, ...], *, go_on: bool) -> Job:
    """Return a job with what the command was told, and where pictures that are taken go."""
    options = (*job.options, *said)
    if job.camera:
        options += ("--keep", str(_album(Path(job.bundle), folder, go_on=go_on)))
    return job._replace(options=options)


def _album(bundle: Path, folder: Path, *, go_on: bool) -> Path:
    """Return the newest folder of pictures to go on with, or the next, in which there are none."""
    newest = album = bundle.with_suffix(".capture")
    for number in count(2):
        if not any((folder / album / "references").glob("*.png")):
            break
        newest, album = album, album.with_name(f"{bundle.stem}.capture-{number}")
    return newest if go_on else album


def _make_all(jobs: list[Job], at_a_time: int, folder: Path, output: Output) -> list[Made]:
    """Return what became of the jobs, in their order; whatever stops it stops all that run."""
    children = Children()
    with ThreadPoolExecutor(at_a_time) as pool:
        waiting = [pool.submit(_make, job, folder, children) for job in jobs]
        try:
            for number, _ in enumerate(as_completed(waiting), 1):
                output.progress("bundles", number, len(jobs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            children.stop()
            raise
    return [made.result() for made in waiting]


def _make(job: Job, folder: Path, children: Children) -> Made:
    """Calibrate in a process of its own, which no other one's end can touch."""
    from edge_guard.sources.address import local_camera

    began = time.monotonic()
    if local_camera(job.camera):
        return Made(job, ConfigError.exit_code, _only_there(job), 0.0)
    command = [sys.executable, "-P", "-m", "edge_guard.cli.main", "calibrate", *job.options]
    try:
        (folder / job.bundle).parent.mkdir(parents=True, exist_ok=True)
        command += ["--camera", "-"] if job.camera else []  # a password in it is for nobody's eyes
        command += ["-o", job.bundle, "--json"]
        code, out, err = children.run(command, folder, job.camera)
        said = _last_word(out, err)
    except OSError as error:
        code, said = 1, {"type": "error", "problem": str(error), "remedy": ""}
    return Made(job, code if code >= 0 else 128 - code, said, time.monotonic() - began)


def _only_there(job: Job) -> dict[str, Any]:
    """Return why a device's own camera is not opened: here it would be another one."""
    model, *rest = job.options
    words = ["edge-guard", "calibrate", model, "--camera", job.camera, *rest, "-o", job.bundle]
    by_hand = shlex.join(words)
    return {
        "type": "error",
        "problem": f"camera {job.camera} is the device's own: here it would be another one",
        "remedy": f"give the calibrate table a reference folder, or run on the device: {by_hand}",
    }


def _last_word(out: bytes, err: bytes) -> dict[str, Any]:
    """Return the calibration or error that a child has told; of one that crashed, its last line."""
    for line in reversed(out.splitlines()):
        try:
            record = msgspec.json.decode(line)
        except msgspec.DecodeError:
            continue
        if isinstance(record, dict) and record.get("type") in ("calibration", "error"):
            return record
    lines = err.decode(errors="replace").strip().splitlines() or ["it ended without a word"]
    return {"type": "error", "problem": lines[-1], "remedy": "run calibrate by hand"}


def _print(results: list[Made], output: Output) -> None:
    width = max((len(made.job.bundle) for made in results), default=0)
    for made in results:
        fine = made.exit_code == 0
        words = _promised(made.said) if fine else _failed(made.said)
        mark = "made" if fine else f"FAILED ({made.exit_code})"
        color = "green" if fine else "red"
        output.text(
            f"{made.job.bundle:<{width}}  {mark:<10}  {made.seconds:4.0f} s  {words}", color=color
        )
        output.text(f"{'':<{width}}  for {', '.join(made.job.used_by)}", color="dim")
        record = {"type": "made", "bundle": made.job.bundle, "used_by": made.job.used_by}
        rest = {"exit_code": made.exit_code, "seconds": made.seconds, "said": made.said}
        output.record(record | rest)
    failed = sum(made.exit_code != 0 for made in results)
    output.record({"type": "calibrations", "made": len(results) - failed, "failed": failed})
    if results:
        output.text(f"{len(results) - failed} of {len(results)} bundles made", color="bold")


def _promised(said: dict[str, Any]) -> str:
    from edge_guard.manifest import Promise
    from edge_guard.plain_words import promise_in_words

    promise = msgspec.convert(said["promise"], Promise)
    return f"{said['references']['n']} images: {promise_in_words(promise)}"


def _failed(said: dict[str, Any]) -> str:
    return f"{said['problem']}: {said['remedy']}" if said["remedy"] else str(said["problem"])
