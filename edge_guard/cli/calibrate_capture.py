"""``edge-guard calibrate --camera``: pictures are taken, shown and talked about while they come."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from edge_guard.cli.conversation import Conversation, bars
from edge_guard.errors import ConfigError, ReferencesError

if TYPE_CHECKING:
    from pathlib import Path

    from edge_guard.calibration.advice.watch import Advice, Watch
    from edge_guard.calibration.album import Album
    from edge_guard.calibration.capture import Seen
    from edge_guard.sources import View
    from edge_guard.types import Image

_EVERY_S = 1.0
_REVIEW_S = 2.0
_FIRST_LOOK = 12
"""So many new pictures are shown to the bundle that is there before more are taken."""
_STRIP = 24


def take(
    args: argparse.Namespace,
    talk: Conversation,
    view: View,
    check: Callable[[Sequence[Image]], None],
    later: Callable[[Path], str],
) -> Album:
    """Return the folder of pictures that the camera gave.

    Parameters
    ----------
    args : argparse.Namespace
    talk : Conversation
    view : View
        Pictures are kept whole; advice is about the view.
    check : callable
        Raises where new pictures are of another product.
    later : callable
        Returns the command that calibrates on a folder.

    Raises
    ------
    SourceError, StoreError, ConfigError, ReferencesError
    KeyboardInterrupt
        Somebody stopped it and does not want to calibrate yet.
    """
    from edge_guard.calibration.advice.examine import examine
    from edge_guard.calibration.advice.watch import Watch
    from edge_guard.calibration.album import Album
    from edge_guard.calibration.capture import Wanted, capture
    from edge_guard.calibration.references import find_references, viewed
    from edge_guard.cli.output import Output
    from edge_guard.sources import open_source

    source = open_source(args.camera, stream="reference")
    try:
        if args.every is not None and not source.live:
            raise ConfigError("--every is for cameras", "leave it out: a file gives every frame")
        album = Album(args.keep or args.output.with_suffix(".capture"))
        before = album.files()
        _settle(album, before, args.frames, talk)
        watch = Watch(live=source.live)
        if before:
            found = viewed(find_references(album.references), view)
            examine(found, watch, Output(args.json).progress)
            watch.begin()
        every_s = _EVERY_S if args.every is None else args.every
        wanted = Wanted(args.frames, every_s, view, attended=talk.attended)
        showing = Showing(talk, album, wanted.frames, every_s if source.live else 0.0, check)
        _greet(album, talk)
        try:
            try:
                capture(source, album, wanted, watch, showing)
            except KeyboardInterrupt:
                _stopped(album, watch, talk, later, args.false_flag_rate)
            showing.compare()
        except ReferencesError:  # of another product: they must not be gone on with
            album.set_aside(sorted(set(album.files()) - set(before)), "foreign")
            raise
        finally:
            showing.close(watch)
    finally:
        source.close()
    return album


def _greet(album: Album, talk: Conversation) -> None:
    """Say where images go and how to stop."""
    talk.say(f"images are kept in {album.references}", color=None)
    talk.say(f"to see them, open {album.page} in a browser; Ctrl-C stops", color=None)


def _settle(album: Album, before: Sequence[Path], wanted: int, talk: Conversation) -> None:
    """Ask whether pictures of an earlier capture count; where they are all, no script decides it.

    Raises
    ------
    ConfigError
        Nobody says so.
    """
    if not before:
        return
    held = f"{album.references} holds {len(before)} images of an earlier capture"
    if len(before) >= wanted:
        question = f"{held}: no new one would be taken. Use those?"
        if talk.attended and talk.agree(question, suggested=False):
            return
        raise ConfigError(
            f"{album.references} holds {len(before)} images already and --frames {wanted} asks for "
            "no more",
            f"calibrate on them with --reference {album.references}, ask for more with --frames, "
            "or take new ones with --keep DIR",
        )
    if not talk.agree(f"{held}. Go on with them?", suggested=True):
        raise ConfigError(
            f"{album.references} holds {len(before)} images of an earlier capture",
            "--yes goes on with them, --keep DIR takes another folder, or remove them",
        )


def _stopped(
    album: Album, watch: Watch, talk: Conversation, later: Callable[[Path], str], requested: float
) -> None:
    """Say what is kept after Ctrl-C, and go on to calibrate where somebody wants that.

    Raises
    ------
    KeyboardInterrupt
        Not now.
    """
    from edge_guard.calibration.advice.reach import reach

    kept = len(album.files())
    talk.say(f"stopped: {kept} images are kept in {album.references}", color=None)
    enough = reach(len(watch.kept), watch.effective, requested).regime != "none"
    if enough and talk.agree("Calibrate with these now?", suggested=False):
        return
    talk.say("to go on, give the same command again with --yes", color=None)
    if kept:
        talk.say(f"to calibrate with these: {later(album.references)}", color=None)
    raise KeyboardInterrupt


class Showing:
    """Shows a capture while it runs: status line, advice, the page.

    Parameters
    ----------
    talk : Conversation
    album : Album
    wanted : int
        Pictures to have in the end.
    every_s : float
        Time between them; 0 for files.
    check : callable
        Is given the first new pictures.
    """

    def __init__(
        self,
        talk: Conversation,
        album: Album,
        wanted: int,
        every_s: float,
        check: Callable[[Sequence[Image]], None],
    ) -> None:
        from edge_guard.evaluation.capture_page import CapturePage

        self._talk, self._album, self._wanted, self._every_s = talk, album, wanted, every_s
        self._check = check
        self._page = CapturePage(album.page, "Reference images")
        self._first: list[Image] = []
        self._compared = False
        self._kept = len(album.files())
        self._next_review = 0.0
        self._pictured = False
        self._told: dict[str, str] = {}

    def __call__(self, seen: Seen) -> None:
        """Show what just came."""
        if seen.image is not None and not self._pictured:
            self._pictured = True
            self._talk.say("this is what the camera sees:", color=None)
            self._talk.picture(seen.image)
        if seen.kept > self._kept and seen.image is not None:
            self._kept = seen.kept
            self._page.add(seen.image, time.strftime("%H:%M:%S"))
            if len(self._first) < _FIRST_LOOK:
                self._first.append(seen.image.copy())
            if len(self._first) == _FIRST_LOOK:
                self.compare()
        now = time.monotonic()
        if now >= self._next_review:
            self._next_review = now + _REVIEW_S
            self._advise(seen.watch.advice())
            self._write(seen.watch, done=False)
        self._talk.status(self._line(seen))

    def close(self, watch: Watch) -> None:
        """Write the page once more, as it stays."""
        self._talk.clear()
        self._advise([one for one in watch.advice() if one.topic != "blurred"])
        self._write(watch, done=True)

    def _advise(self, advice: Sequence[Advice]) -> None:
        self._talk.advise(advice)
        self._told |= {one.topic: one.message for one in advice}

    def compare(self) -> None:
        """Show the new pictures to the bundle that is there; once, however few have come."""
        if self._first and not self._compared:
            self._compared = True
            self._check(self._first)

    def _line(self, seen: Seen) -> str:
        """Return the status line."""
        watch = seen.watch
        light = [sight["mean"] for sight in watch.kept[-_STRIP:]]
        parts = [f"{seen.kept}/{self._wanted} images", f"{len(watch.looks)} different"]
        parts.append(f"light {bars(light, 0.0, 255.0)}")
        left_s = (self._wanted - seen.kept) * self._every_s
        parts += [f"{left_s / 60:.0f} min left" if left_s >= 90 else f"{left_s:.0f} s left"] * (
            left_s > 0
        )
        if seen.cause:
            parts.append(f"waiting: {seen.cause}")
        elif seen.fate is not None and seen.fate != "new":
            parts.append({"alike": "as before", "frozen": "frozen", "black": "black"}[seen.fate])
        return " · ".join(parts)

    def _write(self, watch: Watch, *, done: bool) -> None:
        """Write the page; a disk that takes none is told, and stops nothing."""
        from edge_guard.calibration.advice.coverage import covered

        state = f"{self._kept} of {self._wanted} images" + ("" if done else ", more are coming")
        said = covered(watch) if watch.kept else []
        try:
            self._page.write(state, said, list(self._told.values()), done=done)
        except (ConfigError, OSError) as error:
            self._talk.say(f"the page is not written: {error}")
