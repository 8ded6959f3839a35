"""Light and focus of a camera against the references: exposure that moves, flicker, blur."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from edge_guard.calibration.advice.flicker import FEWEST, find_flicker
from edge_guard.calibration.advice.sight import Sight
from edge_guard.calibration.advice.watch import flicker_in_words
from edge_guard.doctor.findings import Area, Finding, fine, problem, warning
from edge_guard.gate.spec import GateSpec
from edge_guard.types import Doubles, Exposure

_FEWEST = 12
_DRIFT_LEVELS = 4.0
_DRIFT_ERRORS = 5.0
"""Standard errors of the slope."""


class Statistics(Protocol):
    """What is known of frames one after the other.

    Attributes
    ----------
    exposures : sequence of Exposure
        Of those whose camera tells.
    sights : sequence of Sight
        What there is to see of flicker, of a live camera.
    """

    @property
    def sights(self) -> Sequence[Sight]:
        """What there is to see of flicker."""
        ...

    @property
    def exposures(self) -> Sequence[Exposure]:
        """What the camera told of each frame."""
        ...

    def column(self, name: str) -> Doubles:
        """Return one statistic of each frame, (N,)."""
        ...


def check_light(name: str, gate: GateSpec, seen: Statistics, *, live: bool) -> Iterator[Finding]:
    """Yield what is found of focus and, where frames come from a camera, of the light.

    Parameters
    ----------
    name : str
        The stream's.
    gate : GateSpec
        What the references were like.
    seen : Statistics
    live : bool
        Frames come from a camera, one after the other.
    """
    yield from _check_focus(name, gate, seen.column("focus"))
    light = seen.column("mean")
    if live and len(light) >= _FEWEST:
        yield _check_exposure(name, light)
        yield _check_flicker(name, light, seen.sights)
    if seen.exposures:
        yield _check_settings(name, seen.exposures)


def _check_focus(name: str, gate: GateSpec, focus: Doubles) -> Iterator[Finding]:
    limit = next((limit for limit in gate.limits if limit.statistic == "focus"), None)
    if limit is None or limit.usual[0] is None or not len(focus):
        return
    middle = float(np.median(focus))
    more = 100.0 * (math.exp(middle - limit.usual[0]) - 1.0)  # the statistic is a logarithm
    words = f"{name}: sharpness is {more:+.0f} % against the least of the references"
    remedy = "focus the lens, wipe it, and look for vibration"
    if limit.hard[0] is not None and middle < limit.hard[0]:
        yield problem(Area.CAMERA, words, remedy)
    elif middle < limit.usual[0]:
        yield warning(Area.CAMERA, words, remedy)
    else:
        yield fine(Area.CAMERA, words)


def _check_exposure(name: str, light: Doubles) -> Finding:
    """Return whether the brightness moves one way, as with automatic exposure or a warm-up."""
    at = np.arange(len(light)) - (len(light) - 1) / 2
    slope = float((at * light).sum() / (at * at).sum())
    rest = light - light.mean() - slope * at
    error = float(np.sqrt((rest * rest).sum() / (len(light) - 2) / (at * at).sum()))
    moved = slope * (len(light) - 1)
    if abs(moved) < _DRIFT_LEVELS or abs(slope) < _DRIFT_ERRORS * error:
        return fine(Area.CAMERA, f"{name}: the brightness stands still ({light.mean():.0f})")
    return warning(
        Area.CAMERA,
        f"{name}: the brightness moved by {moved:+.1f} grey levels in {len(light)} frames",
        "switch automatic exposure and gain off; let the lamp warm up",
    )


def _check_settings(name: str, exposures: Sequence[Exposure]) -> Finding:
    """Return whether the camera itself says that it changes exposure or gain."""
    told = []
    moved = False
    for words, column in zip(("exposure", "gain"), zip(*exposures, strict=True), strict=True):
        values = sorted({value for value in column if math.isfinite(value)})
        moved |= len(values) > 1
        if values:
            span = f"{values[0]:g} to {values[-1]:g}" if len(values) > 1 else f"{values[0]:g}"
            told.append(f"{words} {span}")
    said = f"{name}: the camera tells {' and '.join(told)}, in its driver's units"
    if moved:
        remedy = "switch automatic exposure and gain off (v4l2-ctl -c auto_exposure=1)"
        return warning(Area.CAMERA, f"{said}: it changes them by itself", remedy)
    return fine(Area.CAMERA, said)


def _check_flicker(name: str, light: Doubles, sights: Sequence[Sight]) -> Finding:
    """Return whether the light flickers, as calibration asks it of the frames that it captures."""
    size = float(np.abs(np.diff(light)).mean())
    words = f"{name}: the light changes by {size:.2f} grey levels from frame to frame"
    found = find_flicker(sights, timed=True)
    if found is not None:
        told, _, remedy = flicker_in_words(found).partition(": ")
        return warning(Area.CAMERA, f"{name}: {told}", remedy)
    if len(sights) < FEWEST:
        words += f"; {len(sights)} frames are too few to tell whether it flickers"
    return fine(Area.CAMERA, words)
