"""Python for 64-bit ARM in an emulator, with the libraries of a release's folder of wheels."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path

from wheels import BuildError

CPUINFO = """processor\t: {number}
BogoMIPS\t: 108.00
Features\t: fp asimd aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x1
CPU part\t: 0xd0b
CPU revision\t: 0

"""
"""A Cortex-A76, which the emulator can do all of. It shows programs the host's own /proc/cpuinfo,
from which ONNX Runtime learns nothing and then crashes while it is imported."""


class Emulator:
    """An interpreter for ARM, out of arm_python.sh's folder, that sees the wheels in ``site``."""

    def __init__(self, python: Path, site: Path) -> None:
        self.python = python
        self.site = site
        program = shutil.which("qemu-aarch64")
        if program is None:
            raise BuildError("no qemu-aarch64: apt-get install qemu-user")
        version = (python / "complete").read_text().strip()
        self._command = [program, "-L", str(python), f"{python}/usr/bin/python{version}"]
        # What lies under -L is what a program in there reads in its stead.
        (python / "proc").mkdir(exist_ok=True)
        text = "".join(CPUINFO.format(number=number) for number in range(2))
        (python / "proc" / "cpuinfo").write_text(text)

    def run(
        self, *arguments: str | Path, limit: float, cwd: Path
    ) -> subprocess.CompletedProcess[str]:
        """Return the interpreter's end; raises BuildError after ``limit`` seconds."""
        try:
            return subprocess.run(
                [*self._command, *arguments],
                cwd=cwd,
                env={
                    "PATH": "/usr/bin:/bin",
                    "HOME": str(cwd),
                    "OPENBLAS_NUM_THREADS": "1",
                    "PYTHONPATH": str(self.site),
                    "PYTHONDONTWRITEBYTECODE": "1",
                },
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=limit,
            )
        except subprocess.TimeoutExpired:
            words = " ".join(map(str, arguments[:4]))
            raise BuildError(f"{words} was not done after {limit:.0f} s of emulation") from None


def unpack(wheels: Sequence[Path], site: Path) -> None:
    """Unpack wheels side by side, as pip would lay them down; no code of theirs is run."""
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(site)
