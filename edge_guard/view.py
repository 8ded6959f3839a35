"""Which part of a camera's picture is inspected, and which way up."""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np

from edge_guard.errors import ConfigError
from edge_guard.types import Box, Image

Flip = Literal["none", "horizontal", "vertical"]


class View(msgspec.Struct, frozen=True):
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

    @property
    def words(self) -> str:
        """The view in words.

        >>> View((120, 80, 640, 480), 90).words
        'the region 120, 80, 640, 480 of the picture, turned by 90°'
        """
        if not self:
            return "the whole picture as the camera gives it"
        said = "the whole picture"
        if self.region is not None:
            said = f"the region {', '.join(map(str, self.region))} of the picture"
        if self.rotate:
            said += f", turned by {self.rotate}°"
        if self.flip != "none":
            said += ", left and right swapped" if self.flip == "horizontal" else ", upside down"
        return said

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of what is inspected, px; None where the camera decides."""
        if self.region is None:
            return None
        width, height = self.region[2:]
        return (height, width) if self.rotate in (90, 270) else (width, height)

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


def unlike(made: View | None, here: View, size: tuple[int, int]) -> str:
    """Return how a view differs from the one that a bundle was calibrated with; "" where it fits.

    Parameters
    ----------
    made : View or None
        None: the bundle does not tell, and whatever is seen here fits.
    here : View
    size : tuple of int
        Width and height of the references, px. Where they were whole files of just this view's
        size, they may have been cut out before: that fits.
    """
    if made is None or made == here or (not made and here.size == size):
        return ""
    return f"frames show {here.words}, the bundle's references showed {made.words}"
