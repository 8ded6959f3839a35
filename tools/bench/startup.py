"""How long a process takes to its first words, and what memory it holds at its peak."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_guard.bundle import Bundle, read_bundle

RUNS = 5
_CLI = (sys.executable, "-m", "edge_guard.cli.main")
_BARE = """
import sys
from pathlib import Path
import cv2
from edge_guard.backends.open import open_backend
backend = open_backend(Path(sys.argv[1]), None, kind=sys.argv[2], threads=1)
cv2.resize(cv2.imread(sys.argv[3]), (32, 32))
backend.run()
"""

_LAUNCHER = """
import os, sys, time
started = time.perf_counter()
child = os.fork()
if not child:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.execv(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(child, 0)
print(os.waitstatus_to_exitcode(status), time.perf_counter() - started, usage.ru_maxrss)
"""
"""A small process: what a child held before it became another counts as the other's."""


def records(bundles: Sequence[Path]) -> list[dict[str, Any]]:
    """Return a record of the help text, and of each bundle beside its model alone."""
    found = [_record("edge-guard --help", [*_CLI, "--help"])]
    for path in bundles:
        with tempfile.TemporaryDirectory() as folder:
            bundle = read_bundle(path)
            picture, model = _written(bundle, Path(folder))
            kind = bundle.manifest.model_kind
            bare = [sys.executable, "-c", _BARE, str(model), kind, str(picture)]
            found.append(_record(f"{path.name}: its model alone, OpenCV", bare))
            guarded = [*_CLI, "inspect", str(path), str(picture)]
            found.append(_record(f"{path.name}: first verdict", guarded))
    return found


def _written(bundle: Bundle, folder: Path) -> tuple[Path, Path]:
    """Return a picture that the bundle knows and its model, as files."""
    picture, model = folder / "picture.png", folder / f"model.{bundle.manifest.model_kind}"
    picture.write_bytes(bundle.pictures[bundle.manifest.golden[0].entry])
    model.write_bytes(bundle.model)
    return picture, model


def _record(name: str, command: Sequence[str]) -> dict[str, Any]:
    _run(command)  # what is read from the disk is in memory from now on
    runs = [_run(command) for _ in range(RUNS)]
    return {
        "type": "start",
        "name": name,
        "median_ms": float(np.median([seconds for seconds, _ in runs])) * 1e3,
        "fastest_ms": min(seconds for seconds, _ in runs) * 1e3,
        "peak_memory_mib": float(np.median([mib for _, mib in runs])),
    }


def _run(command: Sequence[str]) -> tuple[float, float]:
    """Return seconds from start to end and the peak of resident memory, MiB."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", _LAUNCHER, *command],
        check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    code, seconds, kib = done.stdout.split()
    if int(code) < 0 or int(code) == 2:
        raise SystemExit(f"bench: {' '.join(command)} failed: run it to see why")
    return float(seconds), float(kib) / 1024
