"""Room for a message on a full disk: first by giving up what may go, at last from the reserve."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from edge_guard.publish.database import Database, FullError
from edge_guard.publish.losses import Ledger

T = TypeVar("T")

_STEP_BYTES = 1 << 16
"""What is given up at a time."""
_RECENT_SECONDS = 60.0


class Room:
    """Makes room.

    Parameters
    ----------
    database : Database
    ledger : Ledger
    """

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger
        self._made_at = -float("inf")

    @property
    def scarce(self) -> bool:
        """Whether the disk was found full within the last minute."""
        return time.monotonic() - self._made_at < _RECENT_SECONDS

    def make(self, work: Callable[[], T], *, precious: bool) -> T:
        """Do work that has found the disk full, and return its result.

        Parameters
        ----------
        work : callable
            One transaction.
        precious : bool
            Whether it may use the reserve; otherwise it must fit beside it.

        Raises
        ------
        FullError
            It does not fit, and there is nothing left to give up.
        """
        with self._database.mutex:
            self._made_at = time.monotonic()
            while True:
                with self._database.reserve.lent():
                    self._database.checkpoint()
                    try:
                        if precious:
                            return work()
                    except FullError:
                        pass
                    freed = self._free()
                    self._database.checkpoint()
                try:
                    return work()
                except FullError:
                    if not freed:
                        raise

    def _free(self) -> bool:
        """Give up a step's worth; return whether there was anything."""
        with self._database.transaction() as db:
            files = self._ledger.free(db, _STEP_BYTES)
        self._database.pictures.remove(files or ())
        return files is not None
