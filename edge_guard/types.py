"""The words that all parts share: Frame, Outputs, Reason, Result, Verdict. All frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
"""uint8, (H, W, 3) BGR or (H, W) gray."""

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Box = tuple[int, int, int, int]
"""x, y, width, height in px of the frame."""


class Verdict(StrEnum):
    """What may be done with the model's answer for a frame."""

    ACCEPT = "accept"
    """The model's answer may be used."""
    REVIEW = "review"
    """A person must look."""
    INVALID = "invalid"
    """The image is not inspectable; the model's answer is withheld."""


class Exposure(NamedTuple):
    """What a camera tells of how it took a frame, in the driver's own units; NaN: not told."""

    time: float
    gain: float


@dataclass(frozen=True, slots=True)
class Frame:
    """One image from a stream.

    Attributes
    ----------
    stream : str
        Name of the stream on its device.
    sequence : int
        Position in the stream since it was opened, from 0; gaps are frames dropped at capture.
    image : Image
        uint8, (H, W, 3) BGR or (H, W).
    wall_ns : int
        Wall-clock capture time, ns since the Unix epoch. For people, never for ordering.
    monotonic_ns : int
        Monotonic capture time, ns.
    source : str
        Where it came from: a file's path, or the source's address.
    exposure : Exposure or None
        None where the source does not tell.
    part_id : str
        What the line calls the part in it; empty where nobody said.
    """

    stream: str
    sequence: int
    image: Image
    wall_ns: int = 0
    monotonic_ns: int = 0
    source: str = ""
    exposure: Exposure | None = None
    part_id: str = ""


@dataclass(frozen=True, slots=True)
class Outputs:
    """What one run of a model gave: views into the backend's memory, valid until the next run.

    Attributes
    ----------
    main : Array
        The model's own output, as the model stores it (float32, int8 or uint8).
    logits : Array or None
        Pre-softmax tensor, C values, as stored; None where the task has none.
    taps : tuple of Array
        One array a tap, in the order of the bundle's tap plan, as stored.
    answers : tuple of Array
        A detector's outputs after ``main``, as stored.
    """

    main: Array
    logits: Array | None
    taps: tuple[Array, ...]
    answers: tuple[Array, ...] = ()


class Reason(msgspec.Struct, frozen=True):
    """Why a frame was not simply accepted.

    Attributes
    ----------
    guard : str
        Which check speaks, for example ``gate.focus``, ``fused`` or ``confidence``.
    message : str
        One sentence for people.
    value : float or None
        The statistic seen; None where it could not be computed.
    expected : tuple of (float or None, float or None)
        Lowest and highest value that passes; None = no bound on that side.
    box : Box or None
        The place in the image, where there is one.
    """

    guard: str
    message: str
    value: float | None
    expected: tuple[float | None, float | None] = (None, None)
    box: Box | None = None


class Timing(msgspec.Struct, frozen=True):
    """Microseconds that each stage of one frame took."""

    gate: float = 0.0
    preprocess: float = 0.0
    model: float = 0.0
    guards: float = 0.0


class Detection(msgspec.Struct, frozen=True):
    """One thing that a detector has found.

    Attributes
    ----------
    label : str
    label_index : int
    score : float
        The model's own, 0 to 1.
    confidence : float or None
        Calibrated probability that the box is right, 0 to 1; None without labelled references.
    box : Box
        In px of the frame.
    """

    label: str
    label_index: int
    score: float
    confidence: float | None
    box: Box


@dataclass(frozen=True, slots=True)
class Heat:
    """How unlike the references each place of a frame is.

    Attributes
    ----------
    cells : Floats
        (h, w), non-negative, in conformal units: 1 is the distance that good frames exceed
        anywhere no more often than the bundle's promised false-flag rate.
    area : tuple of float
        x, y, width, height of what the cells cover, in px of the frame; may reach beyond it.
    height, width : int
        Of the frame, px.
    """

    cells: Floats
    area: tuple[float, float, float, float]
    height: int
    width: int

    def full(self) -> Floats:
        """Return the cells interpolated to (height, width), 0 where the model saw nothing."""
        left, top, across, down = self.area
        rows, seen_rows = _positions(self.height, top, down, self.cells.shape[0])
        columns, seen_columns = _positions(self.width, left, across, self.cells.shape[1])
        smooth = _interpolated(_interpolated(self.cells, rows).T, columns).T
        return np.where(seen_rows[:, None] & seen_columns, smooth, np.float32(0.0))

    def scaled(self, height: int, width: int) -> Heat:
        """Return the heat of the same frame at another size, px."""
        down, across = height / self.height, width / self.width
        x, y, area_width, area_height = self.area
        area = (x * across, y * down, area_width * across, area_height * down)
        return Heat(self.cells, area, height, width)


def _positions(size: int, start: float, extent: float, cells: int) -> tuple[Floats, Array]:
    """Return where each pixel lies among the cells' centres, and whether they cover it."""
    share = (np.arange(size, dtype=np.float32) + 0.5 - start) / extent
    inside = np.clip(share * cells - 0.5, 0, cells - 1)
    return inside.astype(np.float32), (share >= 0) & (share <= 1)


def _interpolated(rows: Floats, positions: Floats) -> Floats:
    """Return rows at fractional positions, linearly."""
    before = positions.astype(np.intp)
    after = np.minimum(before + 1, len(rows) - 1)
    share = (positions - before.astype(np.float32))[:, None]
    return np.asarray(rows[before] * (1 - share) + rows[after] * share)


@dataclass(frozen=True, slots=True)
class Nearest:
    """A reference that a flagged frame resembles.

    Attributes
    ----------
    name : str
        Of its file, with the folder of its label.
    view : str
        What was compared: the name of a view of the bundle.
    words : str
        The same for people, for example "the model's features".
    entry : str
        Its small picture in the bundle; empty where the bundle holds none.
    picture : bytes
        That picture, a JPEG; empty where the bundle holds none.
    """

    name: str
    view: str
    words: str
    entry: str = ""
    picture: bytes = b""


@dataclass(frozen=True, slots=True)
class Result:
    """The guard's word on one frame.

    Attributes
    ----------
    verdict : Verdict
    label : str or None
        The model's answer in words; None when withheld or the task has no classes.
    label_index : int or None
    confidence : float or None
        Calibrated probability that the label is right, 0 to 1.
    p_value : float or None
        Conformal p-value of the fused score; small = anomalous.
    scores : dict of str to float
        Every guard's score, higher = more anomalous; ``fused`` is the one that decides.
    reasons : tuple of Reason
        Leading reason first; empty exactly when the verdict is accept.
    timing_us : Timing
    heat : Heat or None
        Where a flagged frame is unlike the references; None for accepted and invalid frames, and
        for models without feature maps.
    nearest : tuple of Nearest
        Up to three different references that a flagged frame resembles; empty for accepted and
        invalid frames.
    detections : tuple of Detection or None
        What a detector has found, best first; None for other tasks, and where it saw no frame.
    """

    verdict: Verdict
    label: str | None = None
    label_index: int | None = None
    confidence: float | None = None
    p_value: float | None = None
    scores: dict[str, float] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    timing_us: Timing = field(default_factory=Timing)
    heat: Heat | None = None
    nearest: tuple[Nearest, ...] = ()
    detections: tuple[Detection, ...] | None = None

    def heatmap(self) -> Floats | None:
        """Return how unlike the references each pixel is, computed at each call.

        Returns
        -------
        Floats or None
            float32 (H, W) of the frame in conformal units: 1 is what good frames exceed anywhere
            no more often than the promised false-flag rate. None where there is no ``heat``.
        """
        return None if self.heat is None else self.heat.full()

    @property
    def prediction(self) -> str | None:
        """The model's answer in words; None when it is withheld."""
        return self.label
