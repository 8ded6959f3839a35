"""``python tools/release``: a release, the same bytes each time: wheels, libraries, SBOM, sums.

For each machine a folder with everything that a device without internet needs::

    edge-guard-VERSION/
      edge_guard-VERSION.tar.gz     the source
      x86_64/                       and aarch64/: install.sh, the unit, settings, wheels/
      edge-guard-x86_64.cdx.json    and aarch64: what is in wheels/, as CycloneDX
      SHA256SUMS                    of every file

Only what is committed is built. Without the cross compiler there is no folder for aarch64, and a
line says so.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from sbom import document, invalid
from wheels import BuildError, build_sdist, build_wheel, download_libraries, export, run

ROOT = Path(__file__).resolve().parents[2]
DEVICE_FILES = ("install.sh", "device.toml", "edge-guard.service")
NATIVE = os.uname().machine
ARM = "aarch64"


def main() -> int:
    """Make the release and say what it holds; exit code 1 when it could not be made."""
    parser = argparse.ArgumentParser(
        prog="tools/release", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist", help="folder for it")
    parser.add_argument("--once", action="store_true", help="do not build twice to compare")
    arguments = parser.parse_args()
    try:
        print(summary(make(arguments.output.resolve(), compare=not arguments.once)))
    except BuildError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


def make(output: Path, *, compare: bool) -> Path:
    """Return the folder of the release, made in ``output``."""
    with tempfile.TemporaryDirectory(prefix="edge-guard-release-") as folder:
        work = Path(folder)
        # One commit from start to end, whatever is committed meanwhile, and its time in seconds.
        commit, seconds = run(["git", "-C", ROOT, "log", "-1", "--format=%H %ct"]).split()
        epoch = int(seconds)
        source = export(ROOT, commit, work / "source")
        sdist = build_sdist(source, work / "sdist", epoch)
        release = output / sdist.name.replace("edge_guard", "edge-guard").removesuffix(".tar.gz")
        shutil.rmtree(release, ignore_errors=True)
        release.mkdir(parents=True)
        shutil.copy2(sdist, release)
        for machine, python in machines():
            wheel = build_wheel(source, work / machine, epoch, machine, python)
            if compare:
                again = export(ROOT, commit, work / f"again-{machine}")
                second = build_wheel(again, work / f"second-{machine}", epoch, machine, python)
                same(wheel, second)
            fill(release, machine, wheel, source / "deploy", epoch)
        if compare:
            same(sdist, build_sdist(source, work / "second-sdist", epoch))
    write_sums(release)
    return release


def machines() -> list[tuple[str, Path | None]]:
    """This machine, and ARM with the folder of its Python where it can be built for."""
    found: list[tuple[str, Path | None]] = [(NATIVE, None)]
    if NATIVE == ARM:
        return found
    python = ROOT / "build" / "arm-python"
    if not shutil.which("aarch64-linux-gnu-g++"):
        print(
            "release: NO WHEEL FOR AARCH64: apt-get install g++-aarch64-linux-gnu", file=sys.stderr
        )
    elif subprocess.run([ROOT / "tools/release/arm_python.sh", python], check=False).returncode:
        print("release: NO WHEEL FOR AARCH64: apt-get cannot fetch its Python", file=sys.stderr)
    else:
        found.append((ARM, python))
    return found


def same(first: Path, second: Path) -> None:
    """Refuse a build that is not the same twice."""
    if first.read_bytes() != second.read_bytes():
        raise BuildError(f"{first.name} differs when it is built again: compare with diffoscope")
    print(f"{first.name}: the same bytes from two builds in two folders")


def fill(release: Path, machine: str, wheel: Path, deploy: Path, epoch: int) -> None:
    """Put all that a device needs into the folder of its machine."""
    wheels = release / machine / "wheels"
    wheels.mkdir(parents=True)
    shutil.copy2(wheel, wheels)
    for name in DEVICE_FILES:
        shutil.copy2(deploy / name, release / machine)
    download_libraries(wheels / wheel.name, wheels)
    contents = document(sorted(wheels.glob("*.whl")), epoch)
    text = json.dumps(contents, indent=1, sort_keys=True) + "\n"
    if trouble := invalid(text):
        raise BuildError(f"the bill of materials is not valid CycloneDX: {trouble}")
    (release / f"edge-guard-{machine}.cdx.json").write_text(text)


def write_sums(release: Path) -> None:
    """Write SHA256SUMS, for ``sha256sum --check``."""
    files = sorted(path for path in release.rglob("*") if path.is_file())
    sums = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(release)}"
        for path in files
    ]
    (release / "SHA256SUMS").write_text("\n".join(sums) + "\n")


def summary(release: Path) -> str:
    """Return what the release holds, for whoever made it, and what to do with it next."""
    lines = [f"{release}:"]
    for part in sorted(release.iterdir(), key=lambda path: (path.is_dir(), path.name)):
        files = [path for path in part.rglob("*") if path.is_file()] if part.is_dir() else [part]
        size = sum(path.stat().st_size for path in files) / 1e6
        wheels = f", {len(list(part.glob('wheels/*.whl')))} wheels" if part.is_dir() else ""
        lines.append(f"  {part.name:<32} {size:8.2f} MB{wheels}")
    sums = hashlib.sha256((release / "SHA256SUMS").read_bytes()).hexdigest()
    lines.append(f"  SHA-256 of SHA256SUMS: {sums}")
    lines.append("  next: make release-check")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
