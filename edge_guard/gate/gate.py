"""The input gate: measures one frame, says whether it can be inspected, and explains flags."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import msgspec
import numpy as np

from edge_guard import _kernels
from edge_guard.gate.alignment import Register, misalignment, reduce
from edge_guard.gate.causes import CauseModel
from edge_guard.gate.cells import CellModel, occlusion, same_light
from edge_guard.gate.clock import ClockDetector
from edge_guard.gate.description import Looks, describe
from edge_guard.gate.frozen import FlickerDetector, FrozenDetector
from edge_guard.gate.limits import LimitTable
from edge_guard.gate.spec import (
    CERTAIN,
    OF_LIGHT,
    ORDER,
    Check,
    GateSpec,
    Way,
)
from edge_guard.types import Array, Doubles, Floats, Image, Reason

STATISTICS = (*_kernels.STATISTICS, *_kernels.LEVELS)
MIN_SIDE_PX = 16
MEASURES = 2
"""Version of what `Meter` measures. 2: of 256 rows and more, samples; levels are those of the luma.
A bundle's thresholds hold for the version that it was calibrated with."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What the gate sees in one frame: views into its buffers, valid until the next frame.

    Attributes
    ----------
    statistics : Floats
        (S,), in the order of `STATISTICS`.
    cells : Floats
        (2, G, G): mean and standard deviation of each cell, grey levels.
    pixels_hash : int
        Equal for equal pictures.
    """

    statistics: Floats
    cells: Floats
    pixels_hash: int


class Meter:
    """Measures frames into reused buffers."""

    def __init__(self) -> None:
        self._statistics = np.zeros(len(STATISTICS), np.float32)
        self._cells = np.zeros((2, _kernels.CELLS, _kernels.CELLS), np.float32)

    def measure(self, image: Image) -> Measurement:
        """Return the measurement of an image of at least `MIN_SIDE_PX` a side."""
        pixels_hash = _kernels.image_statistics(image, self._statistics, self._cells)
        return Measurement(self._statistics, self._cells, pixels_hash)


@dataclass(frozen=True, slots=True)
class GateArrays:
    """The gate's arrays from the bundle.

    Attributes
    ----------
    cells : CellModel or None
    mean_picture : Doubles or None
        None where the scene is not fixed.
    causes : CauseModel or None
        None where nothing was learnt of causes.
    """

    cells: CellModel | None = None
    mean_picture: Doubles | None = None
    causes: CauseModel | None = None


def gate_arrays(arrays: dict[str, Array]) -> GateArrays:
    """Return the gate's part of a bundle's arrays."""
    cells = causes = None
    if "gate.cells.center" in arrays:
        cells = CellModel(arrays["gate.cells.center"], arrays["gate.cells.spread"])
    if "gate.causes.means" in arrays:
        causes = CauseModel(**{f.name: arrays[f"gate.causes.{f.name}"] for f in fields(CauseModel)})
    return GateArrays(cells, arrays.get("gate.mean_picture"), causes)


@dataclass(frozen=True, slots=True)
class Findings:
    """What the gate says of a frame before the model runs.

    Attributes
    ----------
    invalid : tuple of Reason
        Why the frame is not inspectable, leading reason first; empty when it is.
    doubts : tuple of Reason
        Why a person must look at an inspectable frame, whatever the guards say.
    """

    invalid: tuple[Reason, ...] = ()
    doubts: tuple[Reason, ...] = ()


FINE = Findings()


class InputGate:
    """The fitted gate of one stream.

    Parameters
    ----------
    spec : GateSpec
    arrays : GateArrays
    live : bool
        Watch from frame to frame: frozen pictures, capture times, flicker. False for folders,
        whose files may well be equal.
    """

    def __init__(self, spec: GateSpec, arrays: GateArrays, *, live: bool) -> None:
        self._spec = spec
        self._arrays = arrays
        self._hard = LimitTable(spec.limits, STATISTICS, hard=True)
        self._usual = LimitTable(spec.limits, STATISTICS, hard=False)
        self._frozen = FrozenDetector(spec.repeats) if live else None
        self._clock = ClockDetector() if live else None
        flicker = spec.repeats.flicker
        fixed = arrays.cells is not None
        self._flicker = FlickerDetector(flicker) if live and fixed and flicker is not None else None
        self._hardest = spec.cells.hard if spec.cells else math.inf
        self._register: Register | None = None

    def check(self, image: Image, seen: Measurement, monotonic_ns: int = 0) -> Findings:
        """Return why a frame is not inspectable, or whether it is doubtful.

        Where most of a fixed scene is lit as ever, a dark or red part of it is no matter of the
        light: such a frame is for the guards to judge and for a person to look at.

        Parameters
        ----------
        image : Image
        seen : Measurement
        monotonic_ns : int
            Capture time, 0 where it is unknown.
        """
        found = self._hard.outside(seen.statistics)
        light = worst = 0.0
        if self._arrays.cells:
            light, worst = self._arrays.cells.light(seen.cells[0])
        found += self._since_the_last(seen, light, monotonic_ns)
        if wrong_size := self._format(image):
            found.append(("format", wrong_size))
        if worst > self._hardest and (covered := self._occlusion(image, seen, hard=True)):
            found.append(("occlusion", covered))
        if not found:
            return FINE
        reasons = self._ordered(found, image, seen)
        mild = {"flicker"} | (OF_LIGHT if self._lit(seen) else set())
        doubtful = all(check in mild for check, _ in found)
        return Findings(invalid=() if doubtful else reasons, doubts=reasons if doubtful else ())

    def explain(self, image: Image, seen: Measurement) -> tuple[Reason, ...]:
        """Return what is unusual about a flagged frame, leading reason first."""
        return self._ordered([], image, seen)

    def _since_the_last(
        self, seen: Measurement, light: float, monotonic_ns: int
    ) -> list[tuple[Check, Reason]]:
        """Return what is wrong between the frame before and this one."""
        found: list[tuple[Check, Reason]] = []
        if self._frozen and (frozen := self._frozen.update(seen.pixels_hash, seen.cells[0])):
            found.append(("frozen", frozen))
        if self._clock and (late := self._clock.update(monotonic_ns)):
            found.append(("timestamp", late))
        if self._flicker and (flicker := self._flicker.update(light)):
            found.append(("flicker", flicker))
        return found

    def _format(self, image: Image) -> Reason | None:
        channels = 1 if image.ndim == 2 else image.shape[2]
        size = (image.shape[0], image.shape[1], channels)
        if self._spec.size is None or size == self._spec.size:
            return None
        height, width, depth = self._spec.size
        return Reason(
            "gate.format",
            f"the picture is {size[1]}×{size[0]} px with {channels} channel(s), "
            f"not {width}×{height} px with {depth}",
            float(size[0] * size[1]),
            (float(height * width), float(height * width)),
        )

    def _occlusion(self, image: Image, seen: Measurement, *, hard: bool) -> Reason | None:
        if self._arrays.cells is None or self._spec.cells is None:
            return None
        return occlusion(
            self._arrays.cells, self._spec.cells, seen.cells[0], image.shape, hard=hard
        )

    def _ordered(
        self, found: list[tuple[Check, Reason]], image: Image, seen: Measurement
    ) -> tuple[Reason, ...]:
        """Return the reasons, one a check, cause before effect.

        Certain facts lead; then the likeliest cause; then what else is out of its usual range, in
        the order of the checks. Where the likeliest is nothing that the gate has a name for, only
        what was found by a hard limit is said, and what covers a part of a fixed scene.
        """
        reasons: dict[Check, Reason] = {}
        for check, reason in found:
            reasons.setdefault(check, reason)
        way = self._way(image, seen)
        usual = dict(reversed(self._usual.outside(seen.statistics)))
        if covered := self._occlusion(image, seen, hard=False):
            usual["occlusion"] = covered
        if way is None or way.cause != "other":
            reasons = usual | reasons
        elif covered:
            reasons.setdefault("occlusion", covered)
        order = list(ORDER)
        if covered and self._lit(seen):  # a bright or dark thing moves the whole mean as well
            order.insert(CERTAIN, "occlusion")
        if way is not None and way.cause != "other":
            reasons[way.cause] = self._caused(way, reasons.get(way.cause), image)
            order.insert(CERTAIN, way.cause)
        return tuple(reasons[check] for check in dict.fromkeys(order) if check in reasons)

    def _way(self, image: Image, seen: Measurement) -> Way | None:
        """Return what has most likely happened to the picture; None where nothing was learnt."""
        if self._arrays.causes is None or self._spec.causes is None:
            return None
        looks = Looks(seen.statistics[None], seen.cells[:1], reduce(image)[None])
        description = describe(looks, self._arrays.causes.rarity, self._arrays.cells)
        return self._arrays.causes.likeliest(self._spec.causes, description[0])

    def _caused(self, way: Way, out_of_range: Reason | None, image: Image) -> Reason:
        """Return the reason for a likely cause, with what was measured of it where it was."""
        if way.cause == "alignment" and (moved := self._misalignment(image)):
            return moved
        if out_of_range is None:
            return Reason(f"gate.{way.cause}", way.words, None)
        return msgspec.structs.replace(out_of_range, message=way.words)

    def _misalignment(self, image: Image) -> Reason | None:
        if self._arrays.mean_picture is None or self._spec.alignment is None:
            return None
        if self._register is None:  # its spectra are made when first needed
            self._register = Register(self._arrays.mean_picture, image.shape[1] / image.shape[0])
        return misalignment(self._register, self._spec.alignment, image)

    def _lit(self, seen: Measurement) -> bool:
        cells, spec = self._arrays.cells, self._spec.cells
        return cells is not None and spec is not None and same_light(cells, spec, seen.cells[0])


def named(statistics: Array) -> dict[str, float]:
    """Return image statistics by name."""
    return dict(zip(STATISTICS, statistics.tolist(), strict=True))
