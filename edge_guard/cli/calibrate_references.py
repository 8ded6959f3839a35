"""The references of ``edge-guard calibrate``: from a folder or taken on the spot, talked over."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edge_guard.cli.calibrate_options import given
from edge_guard.cli.conversation import Conversation
from edge_guard.cli.output import Output
from edge_guard.errors import BundleError, ConfigError, ReferencesError

if TYPE_CHECKING:
    from edge_guard.backends.infer import LoadedCard
    from edge_guard.bundle import Bundle
    from edge_guard.calibration.advice.watch import Watch
    from edge_guard.calibration.album import Album
    from edge_guard.calibration.references import Reference
    from edge_guard.sources import View
    from edge_guard.types import Image


class Gathered(NamedTuple):
    """References as the model sees them, and what the bundle is to say of how they were chosen."""

    references: Sequence[Reference]
    said: tuple[str, ...]


def gather(args: argparse.Namespace, output: Output, view: View, loaded: LoadedCard) -> Gathered:
    """Return the references to calibrate on.

    Parameters
    ----------
    args : argparse.Namespace
        Checked.
    output : Output
    view : View
    loaded : LoadedCard
        The model's card.

    Raises
    ------
    ReferencesError, SourceError, StoreError, ConfigError
    """
    return _Gathering(args, output, view, loaded).references()


class _Gathering:
    """One command's way to its references."""

    def __init__(
        self, args: argparse.Namespace, output: Output, view: View, loaded: LoadedCard
    ) -> None:
        self._args, self._output, self._view, self._loaded = args, output, view, loaded
        self._talk = Conversation(output, yes=args.yes)
        self._album: Album | None = None
        self._changed: bool = args.changed
        self._dropped = 0

    def references(self) -> Gathered:
        from edge_guard.calibration.advice.examine import examine
        from edge_guard.calibration.advice.watch import Watch
        from edge_guard.calibration.album import BLURRED, number_set_aside
        from edge_guard.calibration.references import find_references, viewed

        folder: Path = self._args.reference or self._taken()
        found = viewed(self._annotated(find_references(folder)), self._view)
        watch = Watch(live=False)
        read = examine(found, watch, self._output.progress)
        if not read:
            raise ReferencesError("none of the reference images can be read", "check the files")
        self._compare(read)
        kept = self._without_blurred(found, read, watch)
        self._talk.advise([one for one in watch.advice() if one.topic != "blurred"])
        if len(kept) < len(found):
            watch = Watch(live=False)
            examine(kept, watch, self._output.progress)
        self._dropped = len(found) - len(kept) if self._album is None else 0
        self._dropped += number_set_aside(folder, BLURRED)
        self._tell(watch)
        return Gathered(kept, self._said())

    def _taken(self) -> Path:
        """Return the folder of references, now taken from the camera."""
        from edge_guard.backends.taps import tap_model
        from edge_guard.cli.calibrate_capture import take

        args = self._args
        self._output.progress("checking the model", 0, 1)
        tap_model(args.model, self._loaded.card, threads=args.threads)  # before anybody takes time
        self._output.progress("checking the model", 1, 1)
        self._album = take(args, self._talk, self._view, self._foreign, self._go_on)
        return self._album.references

    def _go_on(self, folder: Path) -> str:
        """Return the command that calibrates on what was kept as this one would have."""
        words = ["edge-guard", "calibrate", str(self._args.model), "--reference", str(folder)]
        return shlex.join([*words, *given(self._args), "-o", str(self._args.output)])

    def _compare(self, read: Sequence[Reference]) -> None:
        """Refuse, or ask about, references that are foreign to the bundle that is there."""
        from edge_guard.calibration.advice.foreign import SAMPLE

        self._foreign([one.load() for one in read[:: max(1, -(-len(read) // SAMPLE))]])

    def _foreign(self, images: Sequence[Image]) -> None:
        """Raise where images are foreign to the bundle that is there and nobody says it is meant.

        Raises
        ------
        ReferencesError
        """
        from edge_guard.calibration.advice.foreign import foreign

        path = self._args.previous or self._args.output
        bundle = None if self._changed else _bundle_at(path)
        said = bundle and foreign(bundle, path, images)
        if not said:
            return
        self._talk.say(said, topic="foreign")
        question = "Were product, light or camera changed on purpose?"
        if not self._talk.agree(question, suggested=False):
            raise ReferencesError(
                said,
                "check that this is the right product and that camera and lamp are as they were; "
                "if they were changed on purpose, give --changed",
            )
        self._changed = True

    def _without_blurred(
        self, found: list[Reference], read: list[Reference], watch: Watch
    ) -> list[Reference]:
        """Return the references without those that are blurred, where somebody wants that."""
        rows = watch.blurred()
        if not rows:
            return found
        blurred = [read[row] for row in rows]
        count = "1 image is" if len(rows) == 1 else f"{len(rows)} images are"
        names = ", ".join(Path(one.name).name for one in blurred[:3])
        self._talk.say(
            f"{count} blurred ({names}{', …' if len(rows) > 3 else ''})", topic="blurred"
        )
        answer = self._args.blurred
        if answer == "ask":
            answer = self._talk.choose("Keep or drop them?", ("keep", "drop"), "drop", "keep")
        if answer == "keep":
            return found
        if self._album:
            from edge_guard.calibration.album import BLURRED

            place = self._album.set_aside((Path(one.name) for one in blurred), BLURRED)
            self._talk.say(f"moved to {place}", color=None)
        else:
            self._talk.say(f"{len(rows)} left out", color=None)
        names_of = {one.name for one in blurred}
        return [one for one in found if one.name not in names_of]

    def _said(self) -> tuple[str, ...]:
        """Return what the bundle is to say of pictures that were left out."""
        n = self._dropped
        images = "1 blurred image was" if n == 1 else f"{n} blurred images were"
        return (f"{images} left out: what is promised holds for pictures as sharp",) if n else ()

    def _condition(self) -> list[str]:
        """Return which pictures a promise is about, where references were chosen among others."""
        from edge_guard.sources.address import Kind, kind_of

        camera = self._args.camera
        thinned = camera is not None and kind_of(camera) in (Kind.CAMERA, Kind.URL)
        as_these = ["as sharp"] * bool(self._dropped) + ["as varied"] * thinned
        return [f"this holds for pictures {' and '.join(as_these)} as these"] if as_these else []

    def _tell(self, watch: Watch) -> None:
        """Print what the references cover and can promise."""
        from edge_guard.calibration.advice.coverage import (
            certifiable,
            covered,
            explained,
            promised,
        )

        rate = self._args.false_flag_rate
        labels = {} if self._args.labels == "none" else watch.labels
        said = [*covered(watch), *promised(watch, rate), *self._condition(), *certifiable(labels)]
        said += explained(watch, rate) if self._args.explain else []
        for sentence in said:
            self._talk.say(f"  {sentence}", color=None)
        self._tell_how_to_add(watch, rate)
        record = {"type": "coverage", "images": len(watch.kept), "looks": len(watch.looks)}
        worth = {"effective": watch.effective, "span_s": watch.span_s, "sentences": said}
        self._output.record(record | worth)

    def _tell_how_to_add(self, watch: Watch, rate: float) -> None:
        """Say how many images to take where those of a capture promise nothing yet."""
        from edge_guard.calibration.advice.reach import further, reach

        n, effective = len(watch.kept), watch.effective
        if self._album is None or reach(n, effective, rate).regime != "none":
            return
        more = further(n, effective, rate)[0].images
        self._talk.say(f"to add images: the same command with --yes --frames {more}", color=None)

    def _annotated(self, references: Sequence[Reference]) -> Sequence[Reference]:
        """Return the references with what files beside them say."""
        from edge_guard.calibration.annotations import annotated

        args, loaded = self._args, self._loaded
        file = None if args.labels in ("auto", "none") else Path(args.labels)
        if file is None and (args.labels == "none" or loaded.card.output.task != "detect"):
            return references
        if args.reference is None:
            if file is not None:
                raise ConfigError(
                    "--labels FILE is about images in a folder", "give --reference DIR"
                )
            return references
        return annotated(references, args.reference, file, loaded.labels)


def _bundle_at(path: Path) -> Bundle | None:
    """Return the bundle at a path; None where there is none that can be read."""
    from edge_guard.bundle import read_bundle

    if not path.is_file():
        return None
    try:
        return read_bundle(path)
    except BundleError:
        return None  # it is about to be replaced; --previous is read again and refused there
