"""``python tools/soak``: does a device run for ever? Real daemon, cameras with faults, a broker."""

from __future__ import annotations

import argparse
import itertools
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec

from edge_guard.demo import assets as demo_assets
from edge_guard.demo.children import Children
from soak.account import Report, Sample, conclude, take
from soak.camera import Camera, Fault

FAULTS = [fault for fault in Fault if fault != Fault.NONE]
_CONFIG = """
[device]
id = "soak"
[spool]
path = "spool"
[metrics]
port = {metrics}
[self_test]
hours = 0.05
[mqtt]
host = "127.0.0.1"
port = {broker}
version = "3.1.1"
username = "soak"
password_file = "password"
receipts = false
"""
_STREAM = """
[[stream]]
name = "camera{number}"
source = "{source}"
bundle = "{bundle}"
summary_seconds = 10.0
"""


def main() -> None:
    """Soak a device; the exit code is 1 when a limit is exceeded."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    add = parser.add_argument
    add("--minutes", type=float, default=20.0, help="how long (default 20)")
    add("--streams", type=int, default=2, help="cameras; the first has the faults (default 2)")
    add("--frames-per-second", type=float, default=25.0, help="of each camera (default 25)")
    add("--fault-every", type=float, default=30.0, help="seconds between faults (default 30)")
    add("--fault-seconds", type=float, default=8.0, help="how long each lasts (default 8)")
    add("--json", action="store_true", help="print the report as JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        report = soak(Path(folder), arguments)
    print(msgspec.json.encode(report).decode() if arguments.json else "\n".join(report.lines()))
    sys.exit(1 if report.problems else 0)


def soak(folder: Path, arguments: argparse.Namespace) -> Report:
    """Return what came of it."""
    assets = demo_assets.assets()
    cameras = [
        Camera(assets.footage, arguments.frames_per_second) for _ in range(arguments.streams)
    ]
    broker, metrics = free_port(), free_port()
    (folder / "password").write_text("soak")
    (folder / "credentials").write_text("soak:soak")
    streams = [
        _STREAM.format(number=number, source=camera.address, bundle=assets.bundle)
        for number, camera in enumerate(cameras)
    ]
    config = folder / "device.toml"
    config.write_text(_CONFIG.format(metrics=metrics, broker=broker) + "".join(streams))
    with Children(folder) as children:
        credentials = str(folder / "credentials")
        child = children.start(
            "broker", "-P", "-m", "edge_guard.demo.broker", str(broker), credentials
        )
        child.wait_for_port(broker, 30.0)
        device = subprocess.Popen(
            [sys.executable, "-P", "-m", "edge_guard.cli.main", "run", str(config)],
            stdout=subprocess.DEVNULL,
        )
        try:
            samples, faults = watch(device, metrics, cameras[0], arguments)
        finally:
            device.send_signal(signal.SIGTERM)
            code = device.wait(90)
            for camera in cameras:
                camera.close()
    healthy = [f"camera{number}" for number in range(1, len(cameras))]
    return conclude(samples, faults, healthy, code)


def watch(
    device: subprocess.Popen[bytes], port: int, camera: Camera, arguments: argparse.Namespace
) -> tuple[list[Sample], dict[str, int]]:
    """Play the faults, one after the other, and take samples; return both."""
    period = min(5.0, arguments.minutes * 60 / 12)
    faults = dict.fromkeys(map(str, FAULTS), 0)
    settled(port, 0.0, faulty=False)  # the device has started
    began = next_sample = time.monotonic()
    schedule = itertools.cycle(FAULTS)
    samples: list[Sample] = []
    next_fault, fault_ends = began + arguments.fault_every, float("inf")
    next_line = began + 60.0
    while (now := time.monotonic()) < began + arguments.minutes * 60 and device.poll() is None:
        if now >= fault_ends:
            camera.fault, fault_ends, next_sample = Fault.NONE, float("inf"), now
        if now >= next_fault:
            camera.fault = next(schedule)
            faults[camera.fault] += 1
            fault_ends, next_fault = now + arguments.fault_seconds, now + arguments.fault_every
            next_sample = now
        if now >= next_sample:
            next_sample = now + period
            samples.append(settled(port, began, faulty=camera.fault != Fault.NONE))
        if now >= next_line:
            next_line += 60.0
            last = samples[-1]
            print(
                f"{last.seconds / 60:5.1f} min  {last.memory_mib:6.1f} MiB  {last.files} files  "
                f"{last.threads} threads  {sum(last.frames.values())} frames  "
                f"{last.backlog} messages wait",
                file=sys.stderr,
            )
        time.sleep(0.2)
    return samples, faults


def settled(port: int, began: float, *, faulty: bool) -> Sample:
    """Return a sample, waiting for a device that is about to start.

    Raises
    ------
    SystemExit
        It does not answer.
    """
    for _ in range(300):
        try:
            return take(port, time.monotonic() - began, faulty=faulty)
        except (OSError, KeyError):
            time.sleep(0.2)
    raise SystemExit("soak: the device does not answer; its log above says why")


def free_port() -> int:
    """Return a TCP port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
