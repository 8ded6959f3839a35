"""Runs ``edge-guard`` as a user does: its exit code and what it printed."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edge_guard.backends.preprocess import encode_png
from edge_guard.cli.main import main


class Done(NamedTuple):
    """A finished command: ``error`` is the one line that says what was wrong, "" for none."""

    code: int
    records: list[dict[str, Any]]
    error: str


def edge_guard(*arguments: str | Path) -> Done:
    """Run a command with ``--json`` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "edge_guard.cli.main", *map(str, arguments), "--json"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    return _done(done.returncode, done.stdout, done.stderr)


def edge_guard_here(*arguments: str | Path) -> Done:
    """Run a command with ``--json`` in this process: a start-up less to wait for."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*map(str, arguments), "--json"])
    return _done(code, out.getvalue(), err.getvalue())


def _done(code: int, out: str, err: str) -> Done:
    said = [line for line in err.splitlines() if line.startswith("edge-guard: ")]
    assert "Traceback" not in err, err
    assert len(said) == (code != 0), err
    return Done(code, [json.loads(line) for line in out.splitlines()], said[0] if said else "")


def write_images(folder: Path, images: list[np.ndarray]) -> Path:
    """Write images as 0000.png, 0001.png, … and return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    first = len(list(folder.iterdir()))
    for i, image in enumerate(images, first):
        (folder / f"{i:04d}.png").write_bytes(encode_png(image))
    return folder
