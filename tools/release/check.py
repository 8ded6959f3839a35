"""``python tools/release/check.py``: is a release what it says? Each check on what was built.

- *sums*: every file is there, and no other, with its checksum.
- *bill*: each SBOM is valid CycloneDX and names every wheel of its machine.
- *install*: without a network index, from its own folder; a picture is judged.
- *arm*: the wheel for aarch64 with its libraries in an emulator: program, kernel tests, a picture
  refused by the bundle made on x86-64; with --long a calibration there, and a picture judged by it.
- *machine*: installed, upgraded while it runs and removed under a systemd of its own. Needs root.

A check that this machine cannot run is told as NOT CHECKED with the reason, never passed over: the
exit code is 0 when each ran and passed, 1 when one failed, 3 when none failed but one did not run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from pathlib import Path

from emulation import Emulator, unpack
from packaging.version import InvalidVersion, Version
from sbom import invalid
from under_systemd import life_of_a_device
from wheels import BuildError, NotHereError, download, run

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
NATIVE, ARM = os.uname().machine, "aarch64"
SPAWNING = "environment_forces or fastest_level_is_the_default or unknown_level_fails_the_import"
"""Tests that start a Python of their own, which an emulated program cannot."""
KERNEL_TESTS = ROOT / "tests" / "kernels"
TESTERS = ("pytest>=8", "pytest-timeout>=2.3", "hypothesis>=6.100", "onnx>=1.16", "scipy>=1.11")


class Outcome(IntEnum):
    """What came of a check, as an exit code."""

    PASSED = 0
    FAILED = 1
    NOT_CHECKED = 3


def main() -> int:
    """Check a release; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="tools/release/check.py", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("release", type=Path, nargs="?", help="its folder (default: in dist/)")
    parser.add_argument("--only", choices=CHECKS, action="append", help="one check, or several")
    parser.add_argument("--long", action="store_true", help="calibrate in the emulator: 15 minutes")
    arguments = parser.parse_args()
    release = arguments.release or newest(ROOT / "dist")
    if release is None:
        print("check: no release in dist/: make release", file=sys.stderr)
        return 2
    wanted = arguments.only or list(CHECKS)
    outcomes = [outcome(name, release.resolve(), long=arguments.long) for name in wanted]
    return int(Outcome.FAILED if Outcome.FAILED in outcomes else max(outcomes))


def newest(folder: Path) -> Path | None:
    """Return the release with the highest version in a folder, None where there is none."""
    found = {}
    for path in folder.glob("edge-guard-*"):
        with suppress(InvalidVersion):  # not a release's folder
            found[Version(path.name.removeprefix("edge-guard-"))] = path
    return found[max(found)] if found else None


def outcome(name: str, release: Path, *, long: bool) -> Outcome:
    """Run one check and print what came of it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="edge-guard-check-") as folder:
        try:
            said = CHECKS[name](release, Path(folder), long)
        except NotHereError as reason:
            print(f"{name}: NOT CHECKED: {reason}", flush=True)
            return Outcome.NOT_CHECKED
        except BuildError as error:
            print(f"{name}: FAILED: {error}", flush=True)
            return Outcome.FAILED
    print(f"{name}: {said} ({time.monotonic() - began:.0f} s)", flush=True)
    return Outcome.PASSED


def sums(release: Path, _work: Path, _long: bool) -> str:
    """Compare every file with SHA256SUMS."""
    lines = (release / "SHA256SUMS").read_text().splitlines()
    told = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    there = {
        str(path.relative_to(release)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in release.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    }
    wrong = sorted(name for name in told.keys() | there.keys() if told.get(name) != there.get(name))
    if wrong:
        raise BuildError(f"not as SHA256SUMS tells: {', '.join(wrong)}")
    return f"all {len(there)} files are as SHA256SUMS tells"


def bill(release: Path, _work: Path, _long: bool) -> str:
    """Validate the SBOM of each machine's folder, and look for every wheel's digest in it."""
    machines = sorted(path.name for path in release.iterdir() if path.is_dir())
    names = [f"edge-guard-{machine}.cdx.json" for machine in machines]
    there = sorted(path.name for path in release.glob("*.cdx.json"))
    if not machines or there != names:
        raise BuildError(f"folders for {machines}, but as SBOMs {there}: make release")
    for machine, name in zip(machines, names, strict=True):
        text = (release / name).read_text()
        if trouble := invalid(text):
            raise BuildError(f"{name} is not valid CycloneDX: {trouble}")
        wheels = sorted((release / machine / "wheels").glob("*.whl"))
        if not wheels:
            raise BuildError(f"no wheels in {machine}/wheels: make release")
        for wheel in wheels:
            if hashlib.sha256(wheel.read_bytes()).hexdigest() not in text:
                raise BuildError(f"{name} does not name {wheel.name}")
    return f"{' and '.join(names)}: valid, every wheel named"


def install(release: Path, work: Path, _long: bool) -> str:
    """Install from the folder of wheels into a bare environment and judge a picture."""
    script = release / NATIVE / "install.sh"
    run([script, "--root", work, "--python", sys.executable])
    program = work / "opt/edge-guard/bin/edge-guard"
    version = run([program, "--version"], cwd=work).strip()
    judged = run([program, "inspect", MODELS / "demo_line.guard", golden(work), "--json"], cwd=work)
    return f"{version} from wheels alone; a picture: {verdict(judged)}"


def golden(work: Path) -> Path:
    """Return a picture that travels in the demo's bundle."""
    with zipfile.ZipFile(MODELS / "demo_line.guard") as packed:
        return Path(packed.extract("golden/0.png", work))


def verdict(lines: str) -> str:
    """Return the verdict in what ``inspect --json`` prints of one picture."""
    results = [
        told for line in lines.splitlines() if (told := json.loads(line))["type"] == "result"
    ]
    return str(results[0]["verdict"])


def arm(release: Path, work: Path, long: bool) -> str:
    """Run the wheel for aarch64 in an emulator."""
    if not (release / ARM).is_dir():
        raise NotHereError("the release has no folder for aarch64")
    python = ROOT / "build" / "arm-python"
    if subprocess.run([ROOT / "tools/release/arm_python.sh", python], check=False).returncode:
        raise NotHereError("apt-get cannot fetch Python for aarch64")
    try:
        emulator = Emulator(python, work / "site")
        download(work / "testers", ARM, *TESTERS)
    except BuildError as error:
        raise NotHereError(str(error)) from None
    wheels = (*(release / ARM / "wheels").glob("*.whl"), *(work / "testers").glob("*.whl"))
    unpack(wheels, emulator.site)
    return "; ".join(
        [program_starts(emulator, work), kernels_are_right(emulator), picture(emulator, work)]
        + ([calibrated(emulator, work)] if long else [])
    )


def program_starts(emulator: Emulator, work: Path) -> str:
    """Ask for the version, and for the machine that Python thinks it is on."""
    done = emulator.run(*EDGE_GUARD, "--version", limit=120, cwd=work)
    told = emulator.run(
        "-c", "import platform; print(platform.machine())", limit=120, cwd=work
    ).stdout
    if done.returncode or told.strip() != ARM:
        raise BuildError(f"edge-guard --version in the emulator: {done.stderr[-500:]}")
    return f"{done.stdout.strip()} on {ARM}"


def kernels_are_right(emulator: Emulator) -> str:
    """Run the kernels' tests against their float64 oracles on the wheel's own extension."""
    modules = sorted(KERNEL_TESTS.glob("test_kernel_*.py"))
    # The one left out builds the C++ tests; 'make neon' runs those in the emulator.
    modules = [path for path in modules if path.name != "test_kernel_native.py"]
    options = ["-q", "-x", "-p", "no:cacheprovider", "--timeout", "900", "-c", os.devnull]
    options += ["--rootdir", str(KERNEL_TESTS), "-k", f"not ({SPAWNING})"]
    done = emulator.run("-m", "pytest", *options, *modules, limit=3600, cwd=KERNEL_TESTS)
    if done.returncode:
        raise BuildError(f"kernel tests in the emulator:\n{done.stdout[-2000:]}")
    return f"kernels: {done.stdout.strip().splitlines()[-1]}"


def picture(emulator: Emulator, work: Path) -> str:
    """Load the bundle made on x86-64, which scores otherwise here: it has to be refused."""
    bundle = MODELS / "demo_line.guard"
    done = emulator.run(*EDGE_GUARD, "inspect", bundle, golden(work), limit=600, cwd=work)
    if done.returncode == 0:
        return "takes the bundle made on x86-64"
    if done.returncode == 3 and "calibrate on this kind of device" in done.stderr:
        return "refuses the bundle made on x86-64"
    raise BuildError(f"inspect ended with {done.returncode}: {done.stderr[-500:]}")


def calibrated(emulator: Emulator, work: Path) -> str:
    """Calibrate from frames of the footage, and judge one of them."""
    import cv2

    references = work / "references"
    references.mkdir()
    footage = cv2.VideoCapture(str(MODELS / "footage.avi"))
    for number in range(50):
        cv2.imwrite(str(references / f"{number:03d}.png"), footage.read()[1])
    told = ("--reference", references, "-o", work / "arm.guard")
    calibrate = (*EDGE_GUARD, "calibrate", MODELS / "demo_line.onnx", *told)
    done = emulator.run(*calibrate, limit=3600, cwd=work)
    if done.returncode:
        raise BuildError(f"calibrate ended with {done.returncode}: {done.stderr[-500:]}")
    inspect = (*EDGE_GUARD, "inspect", work / "arm.guard", references / "007.png", "--json")
    done = emulator.run(*inspect, limit=600, cwd=work)
    if done.returncode:
        raise BuildError(f"inspect ended with {done.returncode}: {done.stderr[-500:]}")
    return f"calibrated there, and a picture judged by it: {verdict(done.stdout)}"


def machine(release: Path, work: Path, _long: bool) -> str:
    """Live a device's life under systemd."""
    return life_of_a_device(release / NATIVE, MODELS, work)


EDGE_GUARD = ("-m", "edge_guard.cli.main")
CHECKS: dict[str, Callable[[Path, Path, bool], str]] = {
    check.__name__: check for check in (sums, bill, install, arm, machine)
}


if __name__ == "__main__":
    sys.exit(main())
