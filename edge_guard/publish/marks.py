"""How far each boot may have counted, kept beside the database for the day it cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from edge_guard.publish.pictures import sync_directory

AHEAD = 256
"""Sequences that one write vouches for."""


class Marks:
    """A small file: by boot, a number that its sequences do not exceed.

    Parameters
    ----------
    path : Path
        A missing or damaged file is an empty one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._marks: dict[str, int] = {}
        try:
            self._marks = msgspec.json.decode(path.read_bytes(), type=dict[str, int])
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            self._marks = {}

    def known(self) -> dict[str, int]:
        """Return the numbers by boot."""
        return dict(self._marks)

    def cover(self, boot_id: str, sequence: int) -> None:
        """Return once the file vouches for a sequence; mostly it does already.

        Raises
        ------
        OSError
            The disk is full or fails.
        """
        if sequence > self._marks.get(boot_id, 0):
            self._write(self._marks | {boot_id: sequence + AHEAD - 1})

    def keep(self, boots: set[str]) -> None:
        """Forget all other boots.

        Raises
        ------
        OSError
            The disk is full or fails.
        """
        if not self._marks.keys() <= boots:
            self._write({boot: mark for boot, mark in self._marks.items() if boot in boots})

    def _write(self, marks: dict[str, int]) -> None:
        part = self._path.with_suffix(".new")
        with part.open("wb") as file:
            file.write(msgspec.json.encode(marks))
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path)
        sync_directory(self._path.parent)
        self._marks = marks
