"""A folder of pictures that were taken as references: each is on the disk before it counts.

    line.capture/
      references/     what is calibrated on, one PNG a picture, in the order of their names
      set-aside/      what people took out, for instance blurred pictures
      index.html      what has been seen so far

A picture's file time is the time of its capture. The folder of references alone is what
``--reference`` takes, so a capture and a later run from the folder with the same options give the
same bundle.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from edge_guard.backends.preprocess import encode_png
from edge_guard.errors import ConfigError, StoreError
from edge_guard.sealed_zip import write_atomically
from edge_guard.types import Image

BLURRED = "blurred"
"""Why pictures were set aside."""
_SPARE_BYTES = 64 << 20
"""Left free on the disk: the bundle and the system need some."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Album:
    """The folder of one capture.

    Parameters
    ----------
    folder : Path
        Made where it is missing.

    Raises
    ------
    ConfigError
        It cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.references = folder / "references"
        self.page = folder / "index.html"
        try:
            self.references.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"cannot make {self.references}: {error.strerror}",
                "name a folder that can be written with --keep DIR",
            ) from None
        self._last = self._highest()

    def files(self) -> list[Path]:
        """Return the pictures that are kept, in the order of capture."""
        return sorted(self.references.glob("*.png"))

    def free_bytes(self) -> int:
        """Return the room that pictures may take."""
        return max(0, shutil.disk_usage(self.references).free - _SPARE_BYTES)

    def refuse_too_small(self, images: int, image_bytes: int) -> None:
        """Raise where the disk has no room for so many more pictures of a size.

        Raises
        ------
        StoreError
        """
        needed, free = images * image_bytes, self.free_bytes()
        if needed > free:
            raise StoreError(
                f"{images} more images need {needed >> 20} MB, and {self.folder} has room for "
                f"{free >> 20} MB",
                "free some space, or name a folder on another disk with --keep DIR",
            )

    def add(self, image: Image, wall_ns: int) -> Path:
        """Write a picture without loss and return its file; it is on the disk then, whole.

        Parameters
        ----------
        image : Image
        wall_ns : int
            When it was taken.

        Raises
        ------
        StoreError
            The disk is full or cannot be written; what was kept before stays.
        """
        path = self.references / f"frame-{self._last + 1:06d}.png"
        data = encode_png(image)
        try:
            if len(data) > self.free_bytes():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            write_atomically(data, path)
            os.utime(path, ns=(wall_ns, wall_ns))
        except OSError as error:
            raise self._refused(error) from None
        self._last += 1
        return path

    def set_aside(self, files: Iterable[Path], why: str) -> Path:
        """Move pictures out of the references and return where they are now.

        Raises
        ------
        StoreError
            A file cannot be moved.
        """
        place = self.folder / "set-aside" / why
        try:
            place.mkdir(parents=True, exist_ok=True)
            for file in files:
                file.replace(place / file.name)
        except OSError as error:
            raise StoreError(
                f"cannot move pictures to {place}: {error.strerror}", "check its permissions"
            ) from None
        return place

    def _highest(self) -> int:
        """Return the highest number given yet; pictures that were set aside keep theirs."""
        names = [path.stem for path in self.folder.rglob("frame-*.png")]
        return max((int(n[6:]) for n in names if n[6:].isdigit()), default=0)

    def _refused(self, error: OSError) -> StoreError:
        kept = f"{len(self.files())} images are kept in {self.references}"
        if error.errno in _FULL:
            return StoreError(
                f"the disk that holds {self.folder} is full; {kept}",
                "free some space and give the same command again with --yes to go on",
            )
        return StoreError(
            f"cannot write to {self.references}: {error.strerror}; {kept}",
            "mend it and give the same command again with --yes to go on",
        )


def number_set_aside(references: Path, why: str) -> int:
    """Return how many pictures were set aside from a folder of references; of no album's: 0."""
    if references.name != "references":
        return 0
    return len(list((references.parent / "set-aside" / why).glob("*.png")))
