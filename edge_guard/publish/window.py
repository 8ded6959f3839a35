"""What is on its way to the broker: how many rows, how many bytes, and how long they take."""

from __future__ import annotations

import time
from typing import NamedTuple

from edge_guard.publish.rows import Row

MOST_ROWS = 32
MOST_BYTES = 8_000_000
_LEAST_BYTES = 65_536
_AIM_SECONDS = 0.5
"""What is sent last shall be at the broker so soon: live events must not wait for a backlog."""


class _Sent(NamedTuple):
    row: Row | None
    n_bytes: int
    at: float


class Window:
    """Rows without PUBACK. Its bytes shrink while PUBACKs take long, and grow while they do not.

    A state message is no row: it is in flight as ``None``.
    """

    def __init__(self) -> None:
        self._sent: dict[int, _Sent] = {}
        self._most_rows = MOST_ROWS
        self._most_bytes = MOST_BYTES // 8
        self._bytes = 0

    def opened(self, receive_maximum: int) -> None:
        """Begin a connection."""
        self._sent.clear()
        self._bytes = 0
        self._most_rows = max(1, min(MOST_ROWS, receive_maximum))

    def add(self, number: int, row: Row | None) -> None:
        """Note what was sent under the number that its PUBACK will carry."""
        n_bytes = 0 if row is None else len(row.payload)
        self._sent[number] = _Sent(row, n_bytes, time.monotonic())
        self._bytes += n_bytes

    def acknowledged(self, number: int) -> Row | None:
        """Return the row whose PUBACK has come; None: it was none."""
        sent = self._sent.pop(number, None)
        if sent is None:
            return None
        self._bytes -= sent.n_bytes
        if time.monotonic() - sent.at > _AIM_SECONDS:
            self._most_bytes = max(_LEAST_BYTES, self._most_bytes * 3 // 4)
        elif self._bytes > self._most_bytes // 2:
            self._most_bytes = min(MOST_BYTES, self._most_bytes * 9 // 8)
        return sent.row

    def take_back(self) -> list[Row]:
        """Return the rows that nobody has acknowledged; the window is empty afterwards."""
        rows = self.rows()
        self._sent.clear()
        self._bytes = 0
        return rows

    def rows(self) -> list[Row]:
        """Return the rows in flight."""
        return [sent.row for sent in self._sent.values() if sent.row is not None]

    @property
    def state_on_its_way(self) -> bool:
        """Whether a state message waits for its PUBACK."""
        return any(sent.row is None for sent in self._sent.values())

    @property
    def free_rows(self) -> int:
        """How many rows may be sent now."""
        return self._most_rows - len(self._sent)

    @property
    def half_free(self) -> bool:
        """Whether it pays to look for more rows."""
        return self.free_rows >= max(1, self._most_rows // 2)

    @property
    def free_bytes(self) -> int:
        """How many bytes of them; 0 or less: none."""
        return self._most_bytes - self._bytes
