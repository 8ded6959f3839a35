"""Which part of a camera's picture is inspected, and which way up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from edge_guard.errors import ConfigError
from edge_guard.sources.contract import Damaged, Source, SourceState
from edge_guard.types import Box, Frame, Image

Flip = Literal["none", "horizontal", "vertical"]


@dataclass(frozen=True, slots=True)
class View:
    """A region of interest, then a turn, then a reflection.

    Attributes
    ----------
    region : Box or None
        In px of the picture as the camera gives it; None: all of it.
    rotate : int
        Degrees clockwise: 0, 90, 180 or 270.
    flip : str
        ``horizontal`` swaps left and right, ``vertical`` top and bottom.
    """

    region: Box | None = None
    rotate: Literal[0, 90, 180, 270] = 0
    flip: Flip = "none"

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return self != View()

    def of(self, image: Image) -> Image:
        """Return what is inspected of a picture.

        Raises
        ------
        ConfigError
            The region lies outside.
        """
        if self.region is not None:
            x, y, width, height = self.region
            rows, columns = image.shape[:2]
            if x + width > columns or y + height > rows:
                raise ConfigError(
                    f"region {list(self.region)} lies outside the picture of {columns}×{rows} px",
                    "give x, y, width, height in px of the camera's picture",
                )
            image = image[y : y + height, x : x + width]
        image = np.rot90(image, -self.rotate // 90)
        if self.flip != "none":
            image = image[:, ::-1] if self.flip == "horizontal" else image[::-1]
        return np.ascontiguousarray(image)


class ViewedSource:
    """A source whose frames show one view of its pictures.

    Parameters
    ----------
    source : Source
    view : View
    """

    def __init__(self, source: Source, view: View) -> None:
        self._source, self._view = source, view

    @property
    def address(self) -> str:
        """As the source's."""
        return self._source.address

    @property
    def live(self) -> bool:
        """As the source's."""
        return self._source.live

    @property
    def state(self) -> SourceState:
        """As the source's."""
        return self._source.state

    @property
    def cause(self) -> str:
        """As the source's."""
        return self._source.cause

    @property
    def finished(self) -> bool:
        """As the source's."""
        return self._source.finished

    @property
    def dropped(self) -> dict[str, int]:
        """As the source's."""
        return self._source.dropped

    @property
    def beyond_repair(self) -> str:
        """As the source's."""
        return self._source.beyond_repair

    def read(self, timeout_s: float) -> Frame | Damaged | None:
        """Return the next frame's view; one that the region does not fit is damaged."""
        frame = self._source.read(timeout_s)
        if not isinstance(frame, Frame):
            return frame
        try:
            return replace(frame, image=self._view.of(frame.image))
        except ConfigError as error:
            return Damaged(
                frame.stream,
                frame.sequence,
                f"{error.problem}: {error.remedy}",
                frame.wall_ns,
                frame.monotonic_ns,
                frame.source,
            )

    def close(self) -> None:
        """Release the camera or file."""
        self._source.close()
