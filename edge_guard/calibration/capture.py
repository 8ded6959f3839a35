"""Reference images straight from a camera, address or video."""

from __future__ import annotations

from edge_guard.calibration.references import Progress, Reference
from edge_guard.errors import ReferencesError
from edge_guard.sources import Damaged, open_source
from edge_guard.types import Image

_PATIENCE_S = 10.0


def capture(address: str, frames: int, progress: Progress) -> list[Reference]:
    """Return the first frames of a source, held in memory.

    Parameters
    ----------
    address : str
        Camera index or path, address, video file or folder.
    frames : int
        Frames to take; a file that ends earlier gives fewer.
    progress : callable

    Raises
    ------
    SourceError
        The source cannot be opened.
    ReferencesError
        It gives no frames.
    """
    source = open_source(address, stream="reference")
    taken: list[Reference] = []
    try:
        while len(taken) < frames and not source.finished:
            frame = source.read(_PATIENCE_S)
            if frame is None and not source.finished:
                raise ReferencesError(
                    f"{source.address} gave no frame for {_PATIENCE_S:.0f} s", source.cause
                )
            if frame is None or isinstance(frame, Damaged):
                continue
            taken.append(_held(f"frame {frame.sequence}", frame.image.copy()))
            progress("taking reference images", len(taken), frames)
    finally:
        source.close()
    if not taken:
        raise ReferencesError(f"{address} gave no frames", "check the source")
    return taken


def _held(name: str, image: Image) -> Reference:
    return Reference(name, "", lambda: image)
