"""A reel of a video file's frames."""

from __future__ import annotations

import threading
from pathlib import Path

from edge_guard.errors import SourceError
from edge_guard.sources.capture import open_file
from edge_guard.sources.reel import EndOfReelError, Picture

TOLERATED_MISSING = 0.05
"""Share of the promised frames that may be missing: containers only estimate their number."""


class VideoFile:
    """Every frame of a video file, in order.

    Parameters
    ----------
    path : Path

    Raises
    ------
    SourceError
        It is not a video, or has no frame.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0
        self._grabbed = False
        self._start()

    def next(self, timeout_s: float, stop: threading.Event) -> Picture | None:
        """Return the next frame; see ``Reel.next``."""
        if not self._grabbed and not self._capture.grab():
            self._refuse_early_end()
            raise EndOfReelError
        self._grabbed = False
        self._count += 1
        image = self._capture.retrieve()
        cause = "" if image is not None else f"frame {self._count} cannot be decoded"
        return Picture(image, str(self._path), cause)

    def rewind(self) -> None:
        """Open the file again: seeking is not exact in every format."""
        self._capture.close()
        self._start()

    def close(self) -> None:
        """Close the file."""
        self._capture.close()

    def _start(self) -> None:
        self._capture = open_file(self._path)
        self._count = 0
        self._grabbed = self._capture.grab()
        if not self._grabbed:
            self._capture.close()
            raise SourceError(f"{self._path} holds no frame that can be decoded", "give a video")

    def _refuse_early_end(self) -> None:
        promised = self._capture.frame_count()
        if self._count + 2 < promised * (1 - TOLERATED_MISSING):
            raise SourceError(
                f"{self._path} ended after {self._count} of {promised} frames",
                "the file is damaged or cut short: copy it again",
            )
