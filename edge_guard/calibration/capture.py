"""Reference images straight from a camera, address or video, kept in a folder as they come."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from edge_guard.calibration.advice.sight import Eye
from edge_guard.calibration.advice.watch import Fate, Watch
from edge_guard.calibration.album import Album
from edge_guard.errors import ReferencesError, SourceError
from edge_guard.gate.gate import MIN_SIDE_PX
from edge_guard.sources import Damaged, Source, View
from edge_guard.types import Frame, Image

_WAIT_S = 0.5
LOST_S = 30.0
"""A camera that gives no whole picture for so long has been unplugged or is broken."""
STILL_S = 120.0
"""So long without a picture worth keeping, and nobody there to ask: the capture stops."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be taken.

    Attributes
    ----------
    frames : int
        References in the end, those from before included.
    every_s : float
        Least time between two that a camera gives.
    view : View
        What is inspected of each picture; whole pictures are kept.
    attended : bool
        Somebody watches: a line that stands still is waited for.
    """

    frames: int
    every_s: float = 1.0
    view: View = View()  # noqa: RUF009  never changed
    attended: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What just came.

    Attributes
    ----------
    watch : Watch
    fate : Fate or None
        None: no frame came.
    image : Image or None
        As the model sees it; None without a frame.
    kept : int
        References so far.
    cause : str
        Why no frame comes; empty while they come.
    """

    watch: Watch
    fate: Fate | None
    image: Image | None
    kept: int
    cause: str = ""


def capture(
    source: Source, album: Album, wanted: Wanted, watch: Watch, show: Callable[[Seen], None]
) -> None:
    """Keep pictures of a source in an album until there are enough or a file ends.

    Of a camera one picture each ``every_s`` is kept, where it differs from the one before; of a
    file every one. Black pictures are not kept. Whatever ends it, what was kept stays.

    Parameters
    ----------
    source : Source
        Open; it stays open.
    album : Album
        May hold pictures from before; they count.
    wanted : Wanted
    watch : Watch
        Has seen the album's pictures.
    show : callable
        Called after each frame and each wait; may raise to stop.

    Raises
    ------
    SourceError
        The camera gave no picture for `LOST_S`, or nothing new for `STILL_S` and nobody is there.
    StoreError
        The disk is full.
    ReferencesError
        A file gave no picture that can be used.
    """
    taking = _Taking(source, album, wanted, watch)
    while taking.kept < wanted.frames and not source.finished:
        frame = source.read(_WAIT_S)
        show(taking.take(frame))
    if not taking.kept:
        raise ReferencesError(f"{source.address} gave no picture to keep", "check the source")


class _Taking:
    """One capture under way."""

    def __init__(self, source: Source, album: Album, wanted: Wanted, watch: Watch) -> None:
        self._source, self._album, self._wanted, self._watch = source, album, wanted, watch
        self._eye = Eye()
        self.kept = len(album.files())
        self._heard = self._changed = time.monotonic()
        self._taken_s = float("-inf")
        self._roomy = False

    def take(self, frame: Frame | Damaged | None) -> Seen:
        """Return what becomes of what a source gave."""
        if frame is None:
            self._refuse_silence(self._source.cause)
            return Seen(self._watch, None, None, self.kept, self._source.cause)
        if isinstance(frame, Damaged):
            self._watch.damaged += 1
            self._refuse_silence(frame.cause)
            return Seen(self._watch, None, None, self.kept, frame.cause)
        self._heard = time.monotonic()
        image = self._wanted.view.of(frame.image)
        if min(image.shape[:2]) < MIN_SIDE_PX:
            raise SourceError(
                f"{self._source.address} gives {image.shape[1]}×{image.shape[0]} px",
                f"pictures need at least {MIN_SIDE_PX} px a side",
            )
        sight = self._eye.see(frame, image)
        fate = self._watch.see(sight)
        if self._worth_keeping(fate, sight.monotonic_s):
            file = self._album.add(frame.image, frame.wall_ns or time.time_ns())
            if not self._roomy:
                left = self._wanted.frames - self.kept
                self._album.refuse_too_small(left, file.stat().st_size)
                self._roomy = True
            self._watch.keep(sight)
            self.kept += 1
            self._taken_s, self._changed = sight.monotonic_s, time.monotonic()
        self._refuse_standstill(fate)
        return Seen(self._watch, fate, image, self.kept)

    def _worth_keeping(self, fate: Fate, now_s: float) -> bool:
        if not self._source.live:
            return fate is not Fate.BLACK
        return fate is Fate.NEW and now_s - self._taken_s >= self._wanted.every_s

    def _refuse_silence(self, cause: str) -> None:
        if self._source.live and time.monotonic() - self._heard > LOST_S:
            raise SourceError(
                f"{self._source.address} has given no picture for {LOST_S:.0f} s "
                f"({cause or 'it is silent'}); "
                f"{self.kept} images are kept in {self._album.references}",
                "plug the camera in and give the same command again with --yes to go on",
            )

    def _refuse_standstill(self, fate: Fate) -> None:
        patient = self._wanted.attended or not self._source.live
        if patient or time.monotonic() - self._changed < STILL_S:
            return
        why = {
            Fate.BLACK: "its pictures are black: check lens cap and lamp",
            Fate.FROZEN: "it repeats one picture: unplug it and plug it in again",
        }.get(fate, "all its pictures look alike: let the line run")
        raise SourceError(
            f"{self._source.address} has given nothing new for {STILL_S:.0f} s, {why}; "
            f"{self.kept} images are kept in {self._album.references}",
            "then give the same command again with --yes to go on",
        )
