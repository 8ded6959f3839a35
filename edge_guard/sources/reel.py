"""What stored frames are read from: one picture after the other, again from the start if asked."""

from __future__ import annotations

import threading
from typing import NamedTuple, Protocol

from edge_guard.types import Image


class Picture(NamedTuple):
    """One picture of a reel, or why it has none."""

    image: Image | None
    source: str
    cause: str = ""


class EndOfReelError(Exception):
    """Every picture was read."""


class InterruptedReelError(Exception):
    """No picture can be read now; the message says why. Later it may work again."""


class Reel(Protocol):
    """A sequence of stored pictures, for one thread."""

    def next(self, timeout_s: float, stop: threading.Event) -> Picture | None:
        """Return the next picture, or None when there is none yet.

        Parameters
        ----------
        timeout_s : float
            Longest wait.
        stop : threading.Event
            Ends the wait early.

        Raises
        ------
        EndOfReelError, InterruptedReelError
        SourceError
            The rest cannot be read.
        """
        ...

    def rewind(self) -> None:
        """Start again.

        Raises
        ------
        SourceError
            It cannot be opened any more.
        """
        ...

    def close(self) -> None:
        """Release the files."""
        ...
