"""The three-line way: load a bundle, inspect images."""

from __future__ import annotations

from pathlib import Path

from edge_guard.bundle import read_bundle
from edge_guard.pipeline import Pipeline
from edge_guard.types import Frame, Image, Result


class Guard:
    """A guard round one model, for images that come one at a time.

    Parameters
    ----------
    path : str or Path
        A ``.guard`` file.
    threads : int
        Threads of the model's runtime.

    Raises
    ------
    BundleError
        The bundle cannot be used here.
    """

    def __init__(self, path: str | Path, *, threads: int = 1) -> None:
        self._pipeline = Pipeline(read_bundle(Path(path)), threads=threads, live=False)
        self._sequence = 0

    @property
    def bundle_id(self) -> str:
        """Name and digest of the bundle."""
        return self._pipeline.bundle_id

    def inspect(self, image: Image) -> Result:
        """Return the verdict on an image.

        Parameters
        ----------
        image : Image
            uint8, (H, W, 3) BGR or (H, W) gray, at least 16 px a side.
        """
        frame = Frame("python", self._sequence, image)
        self._sequence += 1
        return self._pipeline.inspect(frame)

    def close(self) -> None:
        """Release the model."""
        self._pipeline.close()


def load(path: str | Path, *, threads: int = 1) -> Guard:
    """Return the guard in a bundle (see `Guard`)."""
    return Guard(path, threads=threads)
