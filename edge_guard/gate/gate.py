"""The input gate: measures one frame, says whether it can be inspected, and explains flags."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_guard import _kernels
from edge_guard.gate.alignment import misalignment
from edge_guard.gate.cells import CellModel, occlusion, same_light
from edge_guard.gate.frozen import FrozenDetector
from edge_guard.gate.limits import outside
from edge_guard.gate.spec import OF_LIGHT, ORDER, ORDER_OF_LOCAL_CHANGE, Check, GateSpec
from edge_guard.types import Array, Doubles, Floats, Image, Reason

STATISTICS = _kernels.STATISTICS
MIN_SIDE_PX = 16


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
    """The gate's arrays from the bundle; None where the scene is not fixed."""

    cells: CellModel | None = None
    mean_picture: Doubles | None = None


def gate_arrays(arrays: dict[str, Array]) -> GateArrays:
    """Return the gate's part of a bundle's arrays."""
    cells = None
    if "gate.cells.center" in arrays:
        cells = CellModel(arrays["gate.cells.center"], arrays["gate.cells.spread"])
    return GateArrays(cells, arrays.get("gate.mean_picture"))


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
        Watch for a frozen picture; False for folders, whose files may well be equal.
    """

    def __init__(self, spec: GateSpec, arrays: GateArrays, *, live: bool) -> None:
        self._spec = spec
        self._arrays = arrays
        self._frozen = FrozenDetector(spec.frozen_after) if live else None

    def check(self, image: Image, seen: Measurement) -> Findings:
        """Return why a frame is not inspectable, or whether it is doubtful.

        Where most of a fixed scene is lit as ever, a dark or red part of it is no matter of the
        light: such a frame is for the guards to judge and for a person to look at.
        """
        found = outside(self._spec.limits, named(seen.statistics), hard=True)
        if self._frozen and (frozen := self._frozen.update(seen.pixels_hash)):
            found.append(("frozen", frozen))
        if wrong_size := self._format(image):
            found.append(("format", wrong_size))
        if covered := self._occlusion(image, seen, hard=True):
            found.append(("occlusion", covered))
        if not found:
            return FINE
        reasons = self._ordered(found + self._causes(image, seen), seen)
        local = self._lit(seen) and all(check in OF_LIGHT for check, _ in found)
        return Findings(invalid=() if local else reasons, doubts=reasons if local else ())

    def explain(self, image: Image, seen: Measurement) -> tuple[Reason, ...]:
        """Return what is unusual about a flagged frame, leading reason first."""
        found = outside(self._spec.limits, named(seen.statistics), hard=False)
        if self._lit(seen):  # a part that is darker or redder is not a matter of light
            found = [(check, reason) for check, reason in found if check not in OF_LIGHT]
        return self._ordered(found + self._causes(image, seen), seen)

    def _causes(self, image: Image, seen: Measurement) -> list[tuple[Check, Reason]]:
        """Return what may lie behind a failed check: a covered part, a displaced camera."""
        causes: list[tuple[Check, Reason]] = []
        if covered := self._occlusion(image, seen, hard=False):
            causes.append(("occlusion", covered))
        if moved := self._misalignment(image):
            causes.append(("alignment", moved))
        return causes

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

    def _misalignment(self, image: Image) -> Reason | None:
        if self._arrays.mean_picture is None or self._spec.alignment is None:
            return None
        return misalignment(self._arrays.mean_picture, self._spec.alignment, image)

    def _ordered(self, found: list[tuple[Check, Reason]], seen: Measurement) -> tuple[Reason, ...]:
        """Return the reasons in the order of cause before effect, one a check.

        Something bright or dark that covers a part moves the picture's mean as well: where the
        rest of the scene is lit as ever, the cover is the cause and the mean its effect.
        """
        leading: dict[Check, Reason] = {}
        for check, reason in found:
            leading.setdefault(check, reason)
        order = ORDER_OF_LOCAL_CHANGE if "occlusion" in leading and self._lit(seen) else ORDER
        return tuple(leading[check] for check in order if check in leading)

    def _lit(self, seen: Measurement) -> bool:
        cells, spec = self._arrays.cells, self._spec.cells
        return cells is not None and spec is not None and same_light(cells, spec, seen.cells[0])


def named(statistics: Array) -> dict[str, float]:
    """Return image statistics by name."""
    return dict(zip(STATISTICS, statistics.tolist(), strict=True))
