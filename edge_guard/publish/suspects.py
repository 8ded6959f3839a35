"""Which row breaks the connection, where a broker does not say what it cannot take (MQTT 3.1.1)."""

from __future__ import annotations

import time
from collections import Counter

from edge_guard.publish.rows import Row

LEAST_BYTES = 16_384
"""No broker cuts off what is smaller; so a flaky network condemns no alarm."""
STRIKES = 5
_BREAKS = 2
_PAUSE_SECONDS = 1.0

_Name = tuple[str, int, int]


class Suspects:
    """Large rows that were in flight at two breaks; each is sent alone, until it is acknowledged or
    has broken five connections by itself.
    """

    def __init__(self) -> None:
        self._breaks: Counter[_Name] = Counter()
        self._strikes: Counter[_Name] = Counter()
        self._held: dict[_Name, Row] = {}
        self._tested = -float("inf")

    def opened(self) -> None:
        """Begin a connection: others go first."""
        self._tested = time.monotonic()

    def broke(self, in_flight: list[Row]) -> Row | None:
        """Note a broken connection; return the row that is to blame for it, once that is clear."""
        names = [_name(row) for row in in_flight if len(row.payload) >= LEAST_BYTES]
        self._breaks = Counter({name: self._breaks[name] + 1 for name in names}) | Counter(
            dict.fromkeys(self._held, _BREAKS)
        )
        if len(in_flight) == 1 and names and names[0] in self._held:
            self._strikes[names[0]] += 1
            if self._strikes[names[0]] >= STRIKES:
                self._acquit(names[0])
                return in_flight[0]
        return None

    def suspected(self, row: Row) -> bool:
        """Return whether a row is to be sent alone, later; it is kept for that."""
        if self._breaks[_name(row)] < _BREAKS:
            return False
        self._held[_name(row)] = row
        return True

    @property
    def want_quiet(self) -> bool:
        """Whether it is time to let the window run empty, so that one can be tested."""
        return bool(self._held) and time.monotonic() - self._tested > _PAUSE_SECONDS

    def next(self) -> Row:
        """Return the row to test now."""
        self._tested = time.monotonic()
        name = next(iter(self._held))
        row = self._held.pop(name)
        self._held[name] = row  # the next one's turn is the next time
        return row

    def passed(self, row: Row) -> None:
        """Note a row's PUBACK."""
        self._acquit(_name(row))

    def _acquit(self, name: _Name) -> None:
        self._held.pop(name, None)
        del self._breaks[name], self._strikes[name]


def _name(row: Row) -> _Name:
    return (row.boot_id, row.sequence, row.part)
