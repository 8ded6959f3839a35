"""Looks at references that are there already, in the order of their names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_guard.calibration.advice.sight import Eye
from edge_guard.calibration.advice.watch import Watch
from edge_guard.calibration.references import Progress, Reference, usable
from edge_guard.errors import EdgeGuardError
from edge_guard.types import Frame


def examine(references: Sequence[Reference], watch: Watch, progress: Progress) -> list[Reference]:
    """Let a watch see and keep references; return those that can be read, in the same order.

    Parameters
    ----------
    references : sequence of Reference
    watch : Watch
    progress : callable
    """
    eye = Eye()
    read = []
    for number, reference in enumerate(references):
        progress("reading the images", number, len(references))
        try:
            image = usable(reference.load(), reference.name)
        except EdgeGuardError:
            continue  # calibration names it
        frame = Frame("references", number, image, wall_ns=_time_of(reference))
        sight = eye.see(frame, image)
        watch.see(sight)
        watch.keep(sight, reference.label)
        read.append(reference)
    progress("reading the images", len(references), len(references))
    return read


def _time_of(reference: Reference) -> int:
    """Return a file's time, ns; 0 where there is none."""
    try:
        return Path(reference.name).stat().st_mtime_ns
    except OSError:
        return 0
