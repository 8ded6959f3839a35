"""Reels of image files: a folder read once in natural name order, or watched for new files."""

from __future__ import annotations

import os
import re
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from edge_guard.errors import SourceError
from edge_guard.sources.address import IMAGE_SUFFIXES
from edge_guard.sources.images import UndecodableError, read_image
from edge_guard.sources.reel import EndOfReelError, InterruptedReelError, Picture

POLL_S = 0.1
SETTLED_S = 0.2
"""A watched file that has not changed for this long is tried."""
GIVEN_UP_S = 3.0
"""A watched file that is still no whole image after this long without change is damaged."""

_DIGITS = re.compile(r"(\d+)")
Signature = tuple[int, int]
"""Size in bytes, modification time in ns."""


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that puts ``part2`` before ``part10``."""
    parts = _DIGITS.split(name)
    return tuple(
        (0, int(part), part) if index % 2 else (1, 0, part.casefold())
        for index, part in enumerate(parts)
        if part
    )


def list_images(folder: Path) -> dict[str, Signature]:
    """Return the image files of a folder by name, hidden ones and sub-folders left out.

    Raises
    ------
    OSError
        The folder cannot be read.
    """
    images = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or Path(entry.name).suffix.lower() not in IMAGE_SUFFIXES:
                continue
            try:
                if entry.is_file():
                    status = entry.stat()
                    images[entry.name] = (status.st_size, status.st_mtime_ns)
            except FileNotFoundError:
                continue  # renamed or removed since it was listed
    return images


class ImageFiles:
    """A reel of named image files, each decoded when it is due.

    Parameters
    ----------
    paths : list of Path
        In the order to read them.
    """

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths
        self._position = 0

    def next(self, timeout_s: float, stop: threading.Event) -> Picture | None:
        """Return the next image; see ``Reel.next``."""
        if self._position == len(self._paths):
            raise EndOfReelError
        path = self._paths[self._position]
        self._position += 1
        return read_picture(path)

    def rewind(self) -> None:
        """Start again with the first file."""
        self._position = 0

    def close(self) -> None:
        """No file stays open."""


def open_image(path: Path) -> ImageFiles:
    """Return a reel of one image.

    Raises
    ------
    SourceError
        It cannot be decoded.
    """
    try:
        read_image(path)
    except UndecodableError as error:
        raise SourceError(f"image {path}: {error}", "give a whole image file") from error
    return ImageFiles([path])


def open_folder(folder: Path) -> ImageFiles:
    """Return a reel of the folder's images as they are now.

    Raises
    ------
    SourceError
        It cannot be read, or holds no image.
    """
    names = sorted(_listed(folder), key=lambda name: (natural_key(name), name))
    if not names:
        below = sorted(child.name for child in folder.iterdir() if child.is_dir())
        remedy = f"images end in {', '.join(sorted(IMAGE_SUFFIXES))}"
        if below:
            remedy += f"; sub-folders are not searched: give {folder / below[0]}"
        raise SourceError(f"folder {folder} holds no image", remedy)
    return ImageFiles([folder / name for name in names])


@dataclass
class _Candidate:
    """A watched file: how it looked, since when, and whether it was tried like this."""

    signature: Signature
    since_s: float
    tried: bool = False


class WatchedFolder:
    """A reel of the images that are in a folder and of those that will come.

    A file counts when it has stopped changing and decodes; a half-written one is waited for. A
    file that is written again under its name counts again.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    SourceError
        It cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        _listed(folder)
        self._folder = folder
        self._read: dict[str, Signature] = {}
        self._waiting: dict[str, _Candidate] = {}
        self._due: deque[str] = deque()

    def next(self, timeout_s: float, stop: threading.Event) -> Picture | None:
        """Return the next image; see ``Reel.next``."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            while self._due:
                if picture := self._try(self._due.popleft()):
                    return picture
            scanned_s = self._scan()
            remaining_s = deadline_s - time.monotonic()
            if self._due:
                continue
            # A folder so full that looking takes long is looked at less often.
            if remaining_s <= 0 or stop.wait(min(max(POLL_S, 10 * scanned_s), remaining_s)):
                return None

    def rewind(self) -> None:
        """Start again with the files that are there."""
        self._read.clear()

    def close(self) -> None:
        """No file stays open."""

    def _scan(self) -> float:
        """Note new and changed files, queue those that have settled; return the seconds taken."""
        began_s = time.monotonic()
        try:
            images = list_images(self._folder)
        except OSError as error:
            raise InterruptedReelError(f"folder {self._folder}: {error.strerror}") from error
        self._read = {name: seen for name, seen in self._read.items() if name in images}
        self._waiting = {name: one for name, one in self._waiting.items() if name in images}
        settled = []
        for name, signature in images.items():
            if self._read.get(name) == signature:
                continue
            one = self._waiting.get(name)
            if one is None or one.signature != signature:
                self._waiting[name] = _Candidate(signature, began_s)
            elif began_s - one.since_s >= (GIVEN_UP_S if one.tried else SETTLED_S):
                settled.append(name)
        self._due.extend(sorted(settled, key=lambda name: (natural_key(name), name)))
        return time.monotonic() - began_s

    def _try(self, name: str) -> Picture | None:
        one = self._waiting[name]
        path = self._folder / name
        picture = read_picture(path)
        try:
            status = path.stat()
        except OSError:
            return None  # gone before it was read; the next scan forgets it
        if (status.st_size, status.st_mtime_ns) != one.signature:
            return None  # still being written; the next scan starts its wait anew
        if picture.image is None and not one.tried:
            one.tried = True
            return None
        self._read[name] = one.signature
        del self._waiting[name]
        return picture


def read_picture(path: Path) -> Picture:
    """Return the picture in a file; a damaged one says why. Its name is text that can be sent."""
    name = _as_text(str(path))
    try:
        return Picture(read_image(path), name)
    except UndecodableError as error:
        return Picture(None, name, _as_text(str(error)))


def _as_text(name: str) -> str:
    """Return a name with what is not UTF-8 in it replaced: no message could hold it."""
    return os.fsencode(name).decode("utf-8", "replace")


def _listed(folder: Path) -> dict[str, Signature]:
    try:
        return list_images(folder)
    except OSError as error:
        raise SourceError(
            f"folder {folder} cannot be read: {error.strerror}", "check its permissions"
        ) from error
