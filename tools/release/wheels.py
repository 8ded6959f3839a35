"""Builds the source archive and the wheels so that the same commit gives the same bytes."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
OLDEST_GLIBC = 35
"""Wheels run with glibc 2.35 and newer: Ubuntu 22.04, Debian 12."""
PYTHON = sys.version_info[:2]
TAG = f"cp{PYTHON[0]}{PYTHON[1]}"


class BuildError(Exception):
    """What went wrong, and what to do about it."""


class NotHereError(Exception):
    """What this machine lacks for a check."""


def export(root: Path, commit: str, folder: Path) -> Path:
    """Return the folder, with what ``commit`` of the repository at ``root`` holds."""
    archive = folder.with_suffix(".tar")
    folder.mkdir(parents=True)
    run(["git", "-C", root, "archive", "--output", archive, commit])
    run(["tar", "--extract", "--file", archive, "--directory", folder])
    return folder


def run(command: list[str | Path], cwd: Path | None = None, **environment: str) -> str:
    """Return what a command prints; raises BuildError with its last lines when it fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
        raise BuildError(f"{' '.join(map(str, command[:4]))} failed:\n{said}")
    return done.stdout


def hook(name: str, source: Path, out: Path, epoch: int, **environment: str) -> Path:
    """Run a hook of the build system in this environment, which 'make release' has set up."""
    out.mkdir(parents=True, exist_ok=True)
    code = f"import sys, scikit_build_core.build as b; b.{name}(sys.argv[1])"
    run(
        [sys.executable, "-c", code, out],
        cwd=source,
        SOURCE_DATE_EPOCH=str(epoch),
        PYTHONSAFEPATH="1",
        **environment,
    )
    (made,) = out.iterdir()
    return made


def build_sdist(source: Path, out: Path, epoch: int) -> Path:
    """Return the source archive, made in ``out``."""
    return hook("build_sdist", source, out, epoch)


def build_wheel(source: Path, out: Path, epoch: int, machine: str, python: Path | None) -> Path:
    """Return the wheel for ``machine``; ``python`` is the folder of its Python when not this one's.

    The compiler is told to forget the folder it works in, so that the bytes do not tell it.
    """
    settings = {
        "_PYTHON_HOST_PLATFORM": f"linux-{machine}",
        "CXXFLAGS": f"-ffile-prefix-map={source}=.",
    }
    if python is not None:
        suffix = f".cpython-{PYTHON[0]}{PYTHON[1]}-{machine}-linux-gnu.so"
        headers = python / "usr" / "include" / f"python{PYTHON[0]}.{PYTHON[1]}"
        options = (
            f"-DCMAKE_TOOLCHAIN_FILE={HERE / machine}.cmake",
            f"-DPython_INCLUDE_DIR={headers}",
            f"-DPYTHON_MODULE_EXTENSION={suffix}",
        )
        settings |= {
            "CMAKE_ARGS": " ".join(options),
            "SETUPTOOLS_EXT_SUFFIX": suffix,
            "PYTHON_FOR_ARM": str(python),
        }
    wheel = hook("build_wheel", source, out, epoch, **settings)
    check(wheel, machine)
    return tagged(wheel, f"manylinux_2_{OLDEST_GLIBC}_{machine}")


def check(wheel: Path, machine: str) -> None:
    """Refuse a wheel whose extension is for another machine, Python or a newer glibc."""
    if not wheel.name.endswith(f"-{TAG}-{TAG}-linux_{machine}.whl"):
        raise BuildError(f"{wheel.name} is not for Python {TAG} on {machine}")
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (name for name in packed.namelist() if name.endswith(".so"))
        code = packed.read(name)
    if f"-{machine}-linux-gnu.so" not in name or code[18:20] != ELF_MACHINES[machine]:
        raise BuildError(f"{name} in {wheel.name} is not code for {machine}")
    newest = max(int(minor) for minor in re.findall(rb"GLIBC_2\.(\d+)", code))
    if newest > OLDEST_GLIBC:
        raise BuildError(
            f"{name} needs glibc 2.{newest}: build on Debian 12 or Ubuntu 22.04, which have older"
        )


def tagged(wheel: Path, platform: str) -> Path:
    """Return the wheel under its tag, with which pip refuses systems that are too old for it."""
    before = re.search(r"linux_\w+(?=\.whl$)", wheel.name)
    assert before is not None
    better = wheel.with_name(wheel.name.replace(before[0], platform))
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(better, "w", zipfile.ZIP_DEFLATED) as new:
        (place,) = (name for name in old.namelist() if name.endswith(".dist-info/WHEEL"))
        text = old.read(place).replace(before[0].encode(), platform.encode())
        digest = base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b"=").decode()
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename == place:
                content = text
            elif entry.filename.endswith(".dist-info/RECORD"):
                line = f"{place},sha256={digest},{len(text)}"
                content = re.sub(f"{re.escape(place)},.*", line, content.decode()).encode()
            new.writestr(entry, content)
    wheel.unlink()
    return better


ELF_MACHINES = {"x86_64": b"\x3e\x00", "aarch64": b"\xb7\x00"}
"""e_machine of the ELF header, little endian: EM_X86_64 62, EM_AARCH64 183."""


def download_libraries(wheel: Path, folder: Path) -> None:
    """Fetch what a device installs beside ``wheel``, and what signed bundles need."""
    download(folder, wheel.stem.split("_", 4)[-1], f"{wheel}[signing]")


def download(folder: Path, machine: str, *wanted: str) -> None:
    """Fetch wheels that ``machine`` can run, with all that they need."""
    platforms = [f"manylinux2014_{machine}", f"linux_{machine}"]
    platforms += [f"manylinux_2_{minor}_{machine}" for minor in range(17, OLDEST_GLIBC + 1)]
    pip: list[str | Path] = [sys.executable, "-m", "pip", "download", "--quiet"]
    pip += ["--disable-pip-version-check", "--only-binary", ":all:", "--dest", folder]
    pip += ["--python-version", f"{PYTHON[0]}.{PYTHON[1]}", "--implementation", "cp"]
    pip += [word for abi in (TAG, "abi3", "none") for word in ("--abi", abi)]
    pip += [word for platform in platforms for word in ("--platform", platform)]
    run([*pip, *wanted])
