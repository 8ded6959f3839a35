"""What the kernel tells in its files, and small programs on their output."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

SYSFS = Path("/sys")
Ask = Callable[[list[str]], str]
"""Runs a program and returns what it prints; "" where it is missing or cannot be run."""

_SECONDS = 10.0


def text(path: Path) -> str:
    """Return what a file holds; "" where it cannot be read."""
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def number(path: Path) -> float | None:
    """Return the number that a file holds; None where there is none."""
    try:
        return float(text(path))
    except ValueError:
        return None


def ask(command: list[str]) -> str:
    """Return what a program prints; "" where it is missing, hangs or cannot be run."""
    program = shutil.which(command[0])
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, *command[1:]], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, UnicodeDecodeError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
